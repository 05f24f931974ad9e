"""No secret comes out by printing, logging or failing, however the value is misspelt."""

import json
import logging
import traceback
from typing import Any

import pytest
from pydantic import ValidationError
from rich.pretty import pretty_repr

from settings import Settings, SettingsError, load, shown
from settings.loading import SECRET_FIELDS

SECRET = "hunter2"
GOOD = [
    {"PENSTOCK_REDIS_URL": f"redis://user:{SECRET}@cache:6379/0"},
    {"PENSTOCK_REDIS_URL": f"unix://:{SECRET}@/run/redis.sock"},
    {"PENSTOCK_ELASTICSEARCH_URL": f"http://user:{SECRET}@one:9200,http://user:{SECRET}@two:9200"},
    {"PENSTOCK_ELASTICSEARCH_API_KEY": SECRET},
    {"PENSTOCK_ELASTICSEARCH_BEARER_TOKEN": SECRET},
    {"PENSTOCK_ELASTICSEARCH_USERNAME": "user", "PENSTOCK_ELASTICSEARCH_PASSWORD": SECRET},
]
BAD = [
    {"PENSTOCK_REDIS_URL": value}
    for value in (
        f"rdis://user:{SECRET}@cache",
        f"{SECRET}@cache",
        f"redis://:{SECRET}",
        f"redis://{SECRET}@cache:6379/0",
        f"redis://user:{SECRET}",
        f"redis://:{SECRET}@cache:port",
        f"redis://:{SECRET}@cache:99999",
        f"redis://:{SECRET}@",
        f"redis://:{SECRET} @cache",
        f"redis://:{SECRET}/x@cache",
        f"redis://:x/{SECRET}@cache",
        f"redis://:x?{SECRET}@cache",
        f"redis://:x#{SECRET}@cache",
        f"redis://:x#{SECRET}",
        f"redis://:[{SECRET}@cache",
        f"redis://:]{SECRET}[@cache",
        f"redis://:{SECRET}%@cache",
        f"redis://:{SECRET}%ff@cache",
        f"redis://:{SECRET}@ca$he",
        f"redis://:{SECRET}@cache/zero",
        f"redis://cache?password={SECRET}",
        f"redis://cache/zero?password={SECRET}",
        f"unix:///run/redis.sock?password={SECRET}",
        f"unix://:{SECRET}@",
    )
] + [
    {"PENSTOCK_ELASTICSEARCH_URL": value}
    for value in (
        f"http://user:x,{SECRET}@one:9200",
        f"http://user:{SECRET},x@one:9200",
        f"http://user:{SECRET}@one",
        f"http://{SECRET}@one:9200",
        f"http://:{SECRET}@one:9200",
        f"http://user:{SECRET}@one:9200,http://two",
        f"http://user:{SECRET}@one:9200,http://two:9200",
        f"http://user:{SECRET}@one:9200?x=y",
        f"http://one:9200?api_key={SECRET}",
        f"user:{SECRET}@one:9200",
    )
]
BAD += [
    {"PENSTOCK_ELASTICSEARCH_API_KEY": f"id:{SECRET}"},
    {"PENSTOCK_ELASTICSEARCH_API_KEY": f"{SECRET}\n"},
    {"PENSTOCK_ELASTICSEARCH_BEARER_TOKEN": f"Bearer {SECRET}"},
    {"PENSTOCK_ELASTICSEARCH_PASSWORD": SECRET},
    {"PENSTOCK_ELASTICSEARCH_API_KEY": SECRET, "PENSTOCK_ELASTICSEARCH_BEARER_TOKEN": SECRET},
    {"PENSTOCK_REDIS_URL": f"redis://:{SECRET}@cache", "PENSTOCK_POLL_SECONDS": "x"},
    {"PENSTOCK_REDIS_URL": f"redis://:{SECRET}@cache", "PENSTOCK_CONNECTIONS_PER_NODE": "1"},
]


def arguments(environ: dict[str, str]) -> dict[str, Any]:
    return {name.removeprefix("PENSTOCK_").lower(): value for name, value in environ.items()}


@pytest.mark.parametrize("environ", GOOD)
def test_given_a_secret_when_settings_are_printed_then_it_is_hidden(environ: dict[str, str]) -> None:
    settings = load(environ)

    prints = [
        repr(settings),
        str(settings),
        f"{settings}",
        pretty_repr(settings),
        repr(settings.model_dump()),
        json.dumps(settings.model_dump(mode="json")),
        settings.model_dump_json(),
        repr(dict(settings)),
        repr(vars(settings.redis_url)),
        repr([vars(url) for url in settings.elasticsearch_url]),
        repr(settings.elasticsearch_basic_auth),
        repr(settings.elasticsearch_nodes),
        repr(shown(settings)),
    ]

    assert [text for text in prints if SECRET in text] == []


@pytest.mark.parametrize("environ", GOOD)
def test_given_a_secret_when_settings_are_logged_then_it_is_hidden(
    environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    settings = load(environ)

    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info(
            "%s %r %s %s", settings, settings, settings.redis_url, settings.elasticsearch_url
        )

    assert "redis" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("environ", BAD)
def test_given_a_bad_value_with_a_secret_when_loaded_then_error_and_traceback_hide_it(
    environ: dict[str, str],
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(environ)

    error = caught.value
    assert SECRET not in "".join(traceback.format_exception(error))
    assert SECRET not in repr(error)
    assert error.problems
    assert error.__context__ is None  # pydantic's own error carries the values
    assert error.__cause__ is None


@pytest.mark.parametrize("environ", BAD)
def test_given_a_bad_value_with_a_secret_when_made_directly_then_pydantics_error_hides_it(
    environ: dict[str, str],
) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(**arguments(environ))

    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_given_a_secret_of_the_wrong_type_when_made_directly_then_the_error_hides_it() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(elasticsearch_password=[SECRET], redis_url=[SECRET], elasticsearch_url={SECRET: 1})

    assert SECRET not in str(caught.value)


def test_given_the_settings_then_the_fields_that_may_hold_a_secret_are_known() -> None:
    assert {
        "redis_url",
        "elasticsearch_url",
        "elasticsearch_api_key",
        "elasticsearch_password",
        "elasticsearch_bearer_token",
    } == SECRET_FIELDS


def test_given_a_bad_url_without_password_when_loaded_then_it_is_shown_for_the_sake_of_typing_errors() -> (
    None
):
    with pytest.raises(SettingsError, match=r"got 'redis://cache:63790000'"):
        load({"PENSTOCK_REDIS_URL": "redis://cache:63790000"})
