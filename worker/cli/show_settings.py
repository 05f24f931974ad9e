"""``penstock settings``: the values in force, secrets masked."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from settings import shown

from .common import console, settings_or_exit


def show_settings() -> None:
    """Show the settings in force and where each comes from; secrets are masked."""
    table = Table("variable", "value", "from", "meaning", title="Settings in force")
    for row in shown(settings_or_exit()):
        table.add_row(*(escape(text) for text in (row.name, row.value, row.origin, row.description)))
    console.print(table)
