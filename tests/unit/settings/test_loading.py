"""Which variables are read, which are not, and what the command line may change."""

import pickle
from pathlib import Path

import pytest

from settings import Settings, SettingsError, load


def test_given_the_process_environment_when_loaded_without_argument_then_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PENSTOCK_QUEUE", "from-the-process")

    assert load().queue == "from-the-process"


def test_given_another_environment_when_loaded_then_the_process_environment_is_not_mixed_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PENSTOCK_QUEUE", "from-the-process")

    assert load({}).queue == "arq:queue"
    assert Settings().queue == "arq:queue"


def test_given_a_dotenv_file_in_the_current_directory_when_loaded_then_it_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("PENSTOCK_QUEUE=from-a-file\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PENSTOCK_QUEUE", raising=False)

    assert load().queue == "arq:queue"


@pytest.mark.parametrize("empty", ["", "  "])
def test_given_an_empty_variable_when_loaded_then_the_default_holds(empty: str) -> None:
    settings = load({"PENSTOCK_QUEUE": empty, "PENSTOCK_ELASTICSEARCH_PASSWORD": empty})

    assert settings.queue == "arq:queue"
    assert settings.model_fields_set == set()


def test_given_names_without_prefix_or_in_lower_case_when_loaded_then_they_set_nothing() -> None:
    assert load({"QUEUE": "a", "penstock_queue": "b"}).queue == "arq:queue"


def test_given_an_override_when_loaded_then_it_wins_over_the_environment_and_is_checked() -> None:
    environ = {"PENSTOCK_QUEUE": "environment", "PENSTOCK_POLL_SECONDS": "0.5"}

    settings = load(environ, queue="command-line", poll_seconds=None)

    assert (settings.queue, settings.poll_seconds) == ("command-line", 0.5)
    with pytest.raises(SettingsError, match=r"PENSTOCK_QUEUE: expected a name .* got ''"):
        load(environ, queue="")


def test_given_an_override_of_no_setting_when_loaded_then_it_is_the_callers_mistake() -> None:
    with pytest.raises(TypeError, match="'que'"):
        load({}, que="x")


def test_given_values_that_look_like_json_when_loaded_then_urls_are_not_decoded_as_json() -> None:
    with pytest.raises(SettingsError, match="PENSTOCK_ELASTICSEARCH_URL: expected a URL"):
        load({"PENSTOCK_ELASTICSEARCH_URL": '["http://a:9200"]'})


def test_given_an_error_when_it_crosses_processes_then_its_lines_survive() -> None:
    error = SettingsError("first line", "second line")

    copy = pickle.loads(pickle.dumps(error))

    assert copy.problems == error.problems
    assert str(copy) == "first line\nsecond line"
