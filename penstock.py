"""The command `penstock`, and the check that its rooms are Penstock's own.

Its packages have plain names (`jobs`, `settings`, `worker`, `embedded`). A module of the same name that
stands earlier on Python's path would be imported in their place and fail in strange ways: that is found
here, before anything is imported, and explained.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

_ROOMS = ("jobs", "settings", "worker", "embedded")


def shadowed_rooms() -> dict[str, str]:
    """Room name to the file of the foreign module that Python would import in its place."""
    home = Path(__file__).resolve().parent
    found = {room: _origin(room) for room in _ROOMS}
    return {room: where for room, where in found.items() if where != str(home / room / "__init__.py")}


def _origin(room: str) -> str:
    spec = find_spec(room)
    if spec is None:
        return "nothing: it is not installed"
    if spec.origin is None:
        return str(next(iter(spec.submodule_search_locations or ()), "a namespace package"))
    return str(Path(spec.origin).resolve())


def explanation(shadowed: dict[str, str]) -> str:
    """What to tell a person whose own module stands in the way."""
    lines = [f"  {room} -> {where}" for room, where in shadowed.items()]
    return "\n".join(
        [
            "penstock can't start: Python finds other modules in place of its own:",
            *lines,
            "Rename them, take their folder off PYTHONPATH, or run penstock from another folder or in an",
            "environment of its own. A service that only enqueues jobs needs no more than the wheel",
            "penstock-client, which is imported as penstock_client and can't collide.",
        ]
    )


def main() -> None:
    """The command line."""
    if shadowed := shadowed_rooms():
        sys.exit(explanation(shadowed))
    if sys.argv[1:2] == ["worker"]:
        from worker.stop_signals import end_at_once, ignore_during_exit

        end_at_once(0)
        ignore_during_exit()
    from embedded.cli import app as services
    from worker.cli import app

    app.add_typer(services, name="services")
    app(prog_name="penstock")


if __name__ == "__main__":
    main()
