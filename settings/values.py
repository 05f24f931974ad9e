"""All settings of Penstock in one frozen object, checked once.

1. Each field checks itself, in the file of its subject.
2. Fields that must fit each other are checked when all are right by themselves.

The object takes only what it is given: `loading` alone reads the environment.
"""

from typing import Annotated, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from settings.dead_letters import DeadLetterFields
from settings.elasticsearch import ElasticsearchFields
from settings.elasticsearch_pairs import elasticsearch_problems
from settings.limits import LimitFields
from settings.names import PREFIX
from settings.pairs import body_problems, lease_problems, pair_problems
from settings.redis import RedisFields
from settings.reindexing import ReindexFields
from settings.sources import SourceFields

LogFormat = Literal["text", "json"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


def _any_case(words: tuple[str, ...]) -> BeforeValidator:
    """Accepts each word in any case, and leaves other values as they are for the message to show."""
    by_lower = {word.lower(): word for word in words}
    return BeforeValidator(
        lambda value: by_lower.get(value.lower(), value) if isinstance(value, str) else value
    )


class Settings(
    ReindexFields,
    SourceFields,
    DeadLetterFields,
    LimitFields,
    ElasticsearchFields,
    RedisFields,
    BaseSettings,
):
    """Every value that can be set, checked and frozen. Secrets are hidden in whatever is printed of it.

    Raises pydantic's ValidationError; `load` turns that into a `SettingsError` for people.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    grace_period_seconds: float = Field(
        default=30.0, gt=0, description="seconds that a worker told to stop has to finish what it has taken"
    )
    log_format: Annotated[LogFormat, _any_case(get_args(LogFormat))] = Field(
        default="text", description="form of the log: `text` for people, `json` for one object a line"
    )
    log_level: Annotated[LogLevel, _any_case(get_args(LogLevel))] = Field(
        default="INFO", description="least weight of what is logged: `DEBUG`, `INFO`, `WARNING` or `ERROR`"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing but the arguments: no `.env` file and no environment is read behind the caller's back."""
        return (init_settings,)

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        problems = [
            *pair_problems(self),
            *body_problems(self),
            *lease_problems(self),
            *elasticsearch_problems(self),
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self
