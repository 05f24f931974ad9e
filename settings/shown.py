"""The values in force as rows for people, secrets masked, with a warning where a value is dangerous.

It must not know how the rows are printed.
"""

from typing import Literal, NamedTuple

from pydantic import SecretStr

from settings.names import variable
from settings.urls import HIDDEN
from settings.values import Settings

NOT_SET = "not set"


class ShownSetting(NamedTuple):
    """One row: the variable, its value as text, where that comes from, what it means and in which unit."""

    name: str
    value: str
    origin: Literal["default", "environment"]
    description: str


def shown(settings: Settings) -> list[ShownSetting]:
    """A row for every setting, secrets masked."""
    warnings = _warnings(settings)
    return [
        ShownSetting(
            name=variable(field),
            value=_text(getattr(settings, field)) + warnings.get(field, ""),
            origin="environment" if field in settings.model_fields_set else "default",
            description=info.description or "",
        )
        for field, info in Settings.model_fields.items()
    ]


def _warnings(settings: Settings) -> dict[str, str]:
    warnings: dict[str, str] = {}
    if not settings.elasticsearch_verify_certs:
        warnings["elasticsearch_verify_certs"] = " (warning: certificates are not checked)"
    if not settings.redis_url.verifies_certificates:
        warnings["redis_url"] = " (warning: certificates are not checked)"
    if settings.allow_unsafe_redis:
        warnings["allow_unsafe_redis"] = " (warning: Redis may lose jobs)"
    if settings.allow_stock_workers:
        warnings["allow_stock_workers"] = " (warning: jobs may run twice and out of order)"
    if settings.elasticsearch_cloud_id:
        warnings["elasticsearch_url"] = f" (not used: {variable('elasticsearch_cloud_id')} is set)"
    return warnings


def _text(value: object) -> str:
    """`value` as it would be written in the environment."""
    match value:
        case None:
            return NOT_SET
        case SecretStr():
            return HIDDEN
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case tuple():
            return ",".join(str(item) for item in value)
        case _:
            return str(value)
