"""The Lua scripts of this room, by name. Each file's header states its contract and its keys."""

from __future__ import annotations

from importlib.resources import files

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

# What several scripts share goes before each of them.
_BEFORE = {
    "enqueue": ("memory",),
    "retry_dead": ("memory", "dead_letters"),
    "purge_dead": ("dead_letters",),
    "sweep_dead": ("dead_letters",),
    "cancel_reindex": (),
}


def script(name: str) -> str:
    """The whole text of one script."""
    folder = files(__package__)
    parts = (*_BEFORE[name], name)
    return "\n".join(folder.joinpath(f"{part}.lua").read_text(encoding="utf-8") for part in parts)


def mark(share: float) -> str:
    """How a script is told how much of maxmemory may be in use; at all of it Redis refuses by itself."""
    return f"{share:.6f}" if share < 1 else ""


def registered(redis: Redis, name: str) -> AsyncScript:
    """The script, to be called by this client."""
    return redis.register_script(script(name))
