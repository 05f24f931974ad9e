"""Variables that look like settings and are none."""

import pytest

from settings import Settings, unknown_variables
from settings.names import variable


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PENSTOCK_REDIS_URI", "PENSTOCK_REDIS_URL"),
        ("PENSTOCK_ELASTICSEARCH_URLS", "PENSTOCK_ELASTICSEARCH_URL"),
        ("PENSTOCK_RETRY_MAX_SECOND", "PENSTOCK_RETRY_MAX_SECONDS"),
        ("PENSTOCK_BATCH_MAX_ACTION", "PENSTOCK_BATCH_MAX_ACTIONS"),
        ("penstock_queue", "PENSTOCK_QUEUE"),
    ],
)
def test_given_a_misspelt_variable_when_asked_then_the_one_that_was_meant_is_suggested(
    name: str, meant: str
) -> None:
    (warning,) = unknown_variables({name: "value"})

    assert warning.startswith(f"{name}: expected the name of a setting")
    assert warning.endswith(f"did you mean {meant}?")


def test_given_a_variable_unlike_any_setting_when_asked_then_the_list_of_settings_is_pointed_at() -> None:
    (warning,) = unknown_variables({"PENSTOCK_COLOUR": "blue"})

    assert "did you mean" not in warning
    assert "`penstock settings` lists" in warning


def test_given_a_misspelt_secret_when_asked_then_its_value_is_not_shown() -> None:
    (warning,) = unknown_variables({"PENSTOCK_ELASTICSEARCH_PASWORD": "hunter2"})

    assert "hunter2" not in warning
    assert warning.endswith("did you mean PENSTOCK_ELASTICSEARCH_PASSWORD?")


def test_given_every_setting_and_other_programs_variables_when_asked_then_there_is_no_warning() -> None:
    environ = {variable(field): "value" for field in Settings.model_fields} | {"PATH": "/bin", "PEN": "x"}

    assert unknown_variables(environ) == []


@pytest.mark.parametrize(
    "name",
    [
        "PENSTOCK_SERVICE_HOST",
        "PENSTOCK_SERVICE_PORT",
        "PENSTOCK_SERVICE_PORT_HTTP",
        "PENSTOCK_PORT",
        "PENSTOCK_PORT_80_TCP",
        "PENSTOCK_PORT_80_TCP_ADDR",
        "PENSTOCK_REDIS_SERVICE_HOST",
    ],
)
def test_given_variables_that_kubernetes_sets_for_services_when_asked_then_there_is_no_warning(
    name: str,
) -> None:
    assert unknown_variables({name: "value"}) == []


def test_given_the_process_environment_when_asked_without_argument_then_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PENSTOCK_QEUE", "x")

    assert any(warning.startswith("PENSTOCK_QEUE: ") for warning in unknown_variables())
