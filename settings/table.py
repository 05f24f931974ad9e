"""Keeps the README's table of settings as the code has it: `python -m settings.table --check README.md`.

1. Make the table from the settings' defaults and descriptions.
2. Find the place between the two markers.
3. Compare (`--check`, which never writes) or replace (`--write`).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from settings.shown import NOT_SET, ShownSetting, shown
from settings.values import Settings

BEGIN = "<!-- settings:begin -->"
END = "<!-- settings:end -->"


class MarkersMissing(Exception):
    """Raised when a page has no place for the table: each marker once, in order."""


def table() -> str:
    """The settings as a Markdown table: variable, default, meaning."""
    rows = "\n".join(_row(setting) for setting in shown(Settings()))
    return f"| variable | default | meaning |\n|---|---|---|\n{rows}"


def with_table(page: str) -> str:
    """`page` with the table of today between its markers. Raises MarkersMissing."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(END) < page.index(BEGIN):
        raise MarkersMissing(f"expected {BEGIN} and after it {END}, once each; add the two lines")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 if the page is, or now is, up to date; 1 if not, with the reason on standard error."""
    options = _options(arguments)
    try:
        page = options.page.read_text(encoding="utf-8")
        fresh = with_table(page)
    except (OSError, MarkersMissing) as error:
        return _fail(f"{options.page}: {error}")
    if fresh == page:
        return 0
    if options.check:
        return _fail(
            f"{options.page}: the table of settings is not what the code says; "
            f"run: python -m settings.table --write {options.page}"
        )
    options.page.write_text(fresh, encoding="utf-8")
    return 0


def _row(setting: ShownSetting) -> str:
    default = "" if setting.value == NOT_SET else f"`{setting.value}`"
    meaning = setting.description.replace("|", "\\|")
    return f"| `{setting.name}` | {default} | {meaning} |"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m settings.table", description="The README's settings table."
    )
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument(
        "--check", action="store_true", help="exit 1 if the table is out of date; write nothing"
    )
    action.add_argument("--write", action="store_true", help="bring the table up to date")
    parser.add_argument("page", type=Path, help="the Markdown file that holds the two markers")
    return parser.parse_args(arguments)


def _fail(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
