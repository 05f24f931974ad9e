"""Makes the settings out of the environment, which the worker reads in this room only.

1. Take the variables of the settings from the environment; an empty one counts as not set, so that
   `PENSTOCK_QUEUE=${QUEUE:-}` in a Compose file means the default.
2. Let `Settings` check them.
3. Turn what it finds into one `SettingsError` with a line for each problem.
"""

import os
from collections.abc import Mapping
from typing import get_args

from pydantic import SecretStr, ValidationError
from pydantic_settings import EnvSettingsSource

from settings.elasticsearch_url import ElasticsearchUrl
from settings.errors import SettingsError, problems_of
from settings.names import variable
from settings.redis_url import RedisUrl
from settings.values import Settings


class _Environment(EnvSettingsSource):
    """pydantic-settings' own reading of variables, from a given mapping in place of `os.environ`.

    Names count in upper case only: two spellings of one variable would leave it to chance which one wins.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(Settings)
        names = {variable(field) for field in Settings.model_fields}
        self.env_vars = {name.lower(): environ[name] for name in names if name in environ}


def load(environ: Mapping[str, str] | None = None, **overrides: str | None) -> Settings:
    """The settings in `environ`, by default this process's environment.

    `overrides` are values from the command line by field (`queue="other"`), spelled as in the environment;
    they win over it, and None means not given.

    Raises SettingsError, one line for each problem, that names the variable and, unless secret, the value.
    """
    given = {variable(field): value for field, value in overrides.items() if value is not None}
    for field in overrides:
        if field not in Settings.model_fields:
            raise TypeError(f"expected the name of a setting, got {field!r}")
    found = os.environ if environ is None else environ
    outcome = _check({name: value for name, value in found.items() if value.strip()} | given)
    # Raised here and not where the ValidationError is at hand: that one carries the values, secrets included.
    if isinstance(outcome, SettingsError):
        raise outcome
    return outcome


def _check(environ: Mapping[str, str]) -> Settings | SettingsError:
    try:
        return Settings(**_Environment(environ)())
    except ValidationError as error:
        return SettingsError(*problems_of(error, secret_fields=SECRET_FIELDS))


def _secret_fields() -> frozenset[str]:
    """Fields of which no value may be shown as it was given."""

    def holds_secret(annotation: object) -> bool:
        return annotation in (SecretStr, RedisUrl, ElasticsearchUrl) or any(
            map(holds_secret, get_args(annotation))
        )

    return frozenset(name for name, field in Settings.model_fields.items() if holds_secret(field.annotation))


SECRET_FIELDS = _secret_fields()
