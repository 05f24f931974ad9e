"""The error of this room, and how pydantic's findings become lines that a person can act on.

    SettingsError    the environment holds values that can't be used

It must not show a secret: the value of a field that may hold one is never part of a line.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from settings.names import variable

_LONGEST_VALUE = 120


class SettingsError(Exception):
    """Raised when settings can't be used; its text is one line for each of its `problems`."""

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(self.problems)


_EXPECTED: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "int_parsing": lambda _: "a whole number",
    "int_parsing_size": lambda _: "a whole number of less than 4300 digits",
    "int_from_float": lambda _: "a whole number",
    "float_parsing": lambda _: "a number",
    "finite_number": lambda _: "a finite number",
    "bool_parsing": lambda _: "true or false",
    "greater_than": lambda context: f"a number greater than {context['gt']:g}",
    "greater_than_equal": lambda context: f"a number of at least {context['ge']:g}",
    "literal_error": lambda context: str(context["expected"]),
    "path_not_file": lambda _: "the path of a file that exists",
}


def problems_of(error: ValidationError, *, secret_fields: frozenset[str]) -> list[str]:
    """One line for each problem in `error`: variable, what was expected and what was found instead."""
    lines: list[str] = []
    for details in error.errors(include_url=False):
        lines += _lines(details, secret_fields)
    return lines


def _lines(details: ErrorDetails, secret_fields: frozenset[str]) -> list[str]:
    field = str(details["loc"][0]) if details["loc"] else ""
    context = details.get("ctx", {})
    if details["type"] == "value_error":  # this room's own words, which say what was found
        own = str(context["error"]).split("\n")
        return [f"{variable(field)}: {line}" if field else line for line in own]
    found = "a hidden value" if field in secret_fields else _value(details["input"])
    wording = _EXPECTED.get(details["type"])
    expected = wording(context) if wording else details["msg"].removeprefix("Input should be ")
    return [f"{variable(field)}: expected {expected}, got {found}"]


def _value(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}... ({len(text)} characters)"
