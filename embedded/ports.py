"""Free ports on loopback, outside the range that the kernel gives to outgoing connections.

Why not "port 0": a port of that range may be taken by any client while its server is stopped, and a client
that keeps connecting to its own stopped server can even connect to itself.
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

from .errors import StartFailed

HOST = "127.0.0.1"
LOWEST = 15000
ATTEMPTS = 200
_LINUX_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
    return True


def require_free(port: int, server: str) -> None:
    """Raises StartFailed when something listens there."""
    if not is_free(port):
        raise StartFailed(f"{server} cannot listen on {HOST}:{port}: the port is in use; ask for another")


def free_port(width: int = 1) -> int:
    """A random free port; with a width, the lowest of that many ports of which the first is free."""
    for _ in range(ATTEMPTS):
        port = random.randrange(LOWEST, _below_outgoing() - width)
        if is_free(port):
            return port
    raise StartFailed(f"no free port on {HOST} between {LOWEST} and {_below_outgoing()}")


def _below_outgoing() -> int:
    try:
        lowest_outgoing = int(_LINUX_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32768  # Linux's default; macOS gives out 49152 and above
    # A machine may be tuned to give out almost every port; then there is no quiet range to stay in.
    return lowest_outgoing if lowest_outgoing > LOWEST + 1000 else 32768
