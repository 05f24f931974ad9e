"""Every field by itself: its default, its description, the unit in its name, its own check."""

import pickle
from pathlib import Path

import pytest
from pydantic import ValidationError

from settings import Settings, SettingsError, load
from settings.names import variable

COUNTS = {
    "connections_per_node",
    "batch_max_actions",
    "max_requests_in_flight",
    "max_claimed_jobs",
    "dead_letters_max",
    "source_batch_size",
    "source_concurrency",
    "reindex_requests_in_flight",
    "reindex_batch_actions",
    "reindex_rollback_documents",
}
BAD_VALUES = {
    "redis_url": "http://127.0.0.1",
    "queue": "two words",
    "redis_timeout_seconds": "0",
    "lease_seconds": "ten",
    "poll_seconds": "-1",
    "keep_success_seconds": "59",
    "keep_failure_seconds": "59.5",
    "allow_unsafe_redis": "perhaps",
    "allow_stock_workers": "perhaps",
    "elasticsearch_url": "127.0.0.1:9200",
    "elasticsearch_cloud_id": "no colon",
    "elasticsearch_ca_certs": "missing/ca.pem",
    "elasticsearch_client_cert": "missing/client.pem",
    "elasticsearch_client_key": "missing/client.key",
    "elasticsearch_verify_certs": "perhaps",
    "elasticsearch_compress": "perhaps",
    "elasticsearch_sniff_on_start": "2",
    "elasticsearch_sniff_on_failure": "perhaps",
    "elasticsearch_sniff_interval_seconds": "0",
    "request_timeout_seconds": "inf",
    "gc_deletes": "soon",
    "connections_per_node": "0",
    "batch_max_actions": "1.5",
    "batch_max_bytes": "5MiB",
    "max_requests_in_flight": "0",
    "max_claimed_jobs": "many",
    "claimed_max_bytes": "0",
    "job_max_bytes": "0",
    "dead_letters_max": "-1",
    "dead_letters_max_bytes": "0",
    "keep_dead_letters_seconds": "59",
    "park_unknown_seconds": "-1",
    "sources": "no_colon",
    "source_batch_size": "0",
    "source_concurrency": "none",
    "source_timeout_seconds": "0",
    "reindex_docs_per_second": "0",
    "reindex_requests_in_flight": "0",
    "reindex_batch_actions": "many",
    "reindex_batch_bytes": "52428801",
    "reindex_rollback_documents": "0",
    "retry_initial_seconds": "nan",
    "retry_max_seconds": "abc",
    "grace_period_seconds": "0",
    "log_format": "xml",
    "log_level": "loud",
}
# Any text is a user or a password; tokens are checked where secrets are (test_secrets).
TAKE_ANY_TEXT = {
    "elasticsearch_username",
    "elasticsearch_password",
    "elasticsearch_api_key",
    "elasticsearch_bearer_token",
}


def problems(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(environ)
    return caught.value.problems


def test_given_no_variables_when_loaded_then_the_defaults_are_in_force() -> None:
    settings = load({})

    assert str(settings.redis_url) == "redis://127.0.0.1:6379/0"
    assert settings.elasticsearch_nodes == ("http://127.0.0.1:9200",)
    assert settings.queue == "arq:queue"
    assert (settings.batch_max_actions, settings.batch_max_bytes) == (2000, 5 * 1024**2)
    assert (settings.max_requests_in_flight, settings.connections_per_node) == (4, 8)
    assert (settings.max_claimed_jobs, settings.claimed_max_bytes) == (4000, 64 * 1024**2)
    assert settings.job_max_bytes == 10 * 1024**2
    assert (settings.retry_initial_seconds, settings.retry_max_seconds) == (0.1, 5.0)
    assert (settings.grace_period_seconds, settings.request_timeout_seconds) == (30.0, 20.0)
    assert (settings.lease_seconds, settings.poll_seconds, settings.redis_timeout_seconds) == (10.0, 0.1, 5.0)
    assert (settings.keep_success_seconds, settings.keep_failure_seconds) == (600, 86_400)
    assert (settings.log_format, settings.log_level) == ("text", "INFO")
    assert settings.gc_deletes == "1h"
    assert not settings.allow_unsafe_redis
    assert not settings.allow_stock_workers
    assert settings.elasticsearch_verify_certs
    assert not settings.elasticsearch_compress
    assert not settings.elasticsearch_sniff_on_start
    assert not settings.elasticsearch_sniff_on_failure
    assert settings.elasticsearch_sniff_interval_seconds is None


def test_given_settings_when_a_field_is_assigned_then_it_is_refused() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load({}).queue = "other"  # type: ignore[misc]  # mypy's plugin knows that the model is frozen


def test_given_settings_when_sent_to_a_spawned_process_then_they_arrive_whole() -> None:
    settings = load({"PENSTOCK_REDIS_URL": "redis://:p%40ss@cache:6379/1", "PENSTOCK_QUEUE": "other"})

    assert pickle.loads(pickle.dumps(settings)) == settings


def test_given_a_lease_when_halved_by_late_renewals_then_three_of_them_still_fit() -> None:
    settings = load({"PENSTOCK_LEASE_SECONDS": "20"})

    assert settings.heartbeat_seconds == 4
    assert settings.lease_seconds >= 3 * settings.heartbeat_seconds


@pytest.mark.parametrize("field", Settings.model_fields)
def test_given_any_field_then_it_is_described(field: str) -> None:
    assert Settings.model_fields[field].description


@pytest.mark.parametrize("field", Settings.model_fields)
def test_given_a_field_that_holds_a_number_then_its_name_says_the_unit(field: str) -> None:
    annotation = str(Settings.model_fields[field].annotation)
    if "float" in annotation:
        assert field.endswith(("_seconds", "_per_second"))
    elif "int'" in annotation:
        assert field.endswith(("_seconds", "_bytes")) or field in COUNTS


@pytest.mark.parametrize("field", [name for name in Settings.model_fields if name.endswith("_seconds")])
def test_given_a_field_in_seconds_then_its_description_says_so(field: str) -> None:
    assert "seconds" in str(Settings.model_fields[field].description)


def test_given_the_table_of_bad_values_then_it_leaves_no_field_out() -> None:
    assert set(BAD_VALUES) | TAKE_ANY_TEXT == set(Settings.model_fields)


@pytest.mark.parametrize("field", BAD_VALUES)
def test_given_one_bad_value_when_loaded_then_one_line_names_variable_and_value(field: str) -> None:
    (line,) = problems({variable(field): BAD_VALUES[field]})

    assert line.startswith(f"{variable(field)}: expected ")
    assert f"got '{BAD_VALUES[field]}'" in line


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("retry_max_seconds", "abc", "expected a number, got 'abc'"),
        ("poll_seconds", "0", "expected a number greater than 0, got '0'"),
        ("poll_seconds", "inf", "expected a finite number, got 'inf'"),
        ("keep_success_seconds", "59", "expected a number of at least 60, got '59'"),
        ("batch_max_actions", "5e2", "expected a whole number, got '5e2'"),
        ("elasticsearch_compress", "maybe", "expected true or false, got 'maybe'"),
        ("log_format", "xml", "expected 'text' or 'json', got 'xml'"),
        ("elasticsearch_ca_certs", "no.pem", "expected the path of a file that exists, got 'no.pem'"),
    ],
)
def test_given_a_bad_value_when_loaded_then_the_message_is_in_plain_words(
    field: str, value: str, expected: str
) -> None:
    assert problems({variable(field): value}) == (f"{variable(field)}: {expected}",)


def test_given_several_bad_values_when_loaded_then_each_has_its_line() -> None:
    found = problems({"PENSTOCK_POLL_SECONDS": "x", "PENSTOCK_LOG_FORMAT": "y", "PENSTOCK_QUEUE": "a b"})

    assert sorted(line.partition(":")[0] for line in found) == [
        "PENSTOCK_LOG_FORMAT",
        "PENSTOCK_POLL_SECONDS",
        "PENSTOCK_QUEUE",
    ]


def test_given_a_very_long_bad_value_when_loaded_then_the_message_is_cut() -> None:
    (line,) = problems({"PENSTOCK_POLL_SECONDS": "x" * 5000})

    assert len(line) < 250
    assert "5002 characters" in line


def test_given_words_in_any_case_when_loaded_then_log_settings_accept_them() -> None:
    settings = load({"PENSTOCK_LOG_LEVEL": "debug", "PENSTOCK_LOG_FORMAT": "JSON"})

    assert (settings.log_level, settings.log_format) == ("DEBUG", "json")


def test_given_a_directory_in_place_of_a_file_when_loaded_then_it_is_refused(tmp_path: Path) -> None:
    (line,) = problems({"PENSTOCK_ELASTICSEARCH_CA_CERTS": str(tmp_path)})

    assert "expected the path of a file" in line


def test_given_a_cloud_id_that_decodes_when_loaded_then_no_node_url_is_in_force() -> None:
    settings = load({"PENSTOCK_ELASTICSEARCH_CLOUD_ID": "production:ZXhhbXBsZS5jb20kdXVpZA=="})

    assert settings.elasticsearch_nodes == ()


@pytest.mark.parametrize("cloud_id", ["name:", "name:!!!", "name:JHV1aWQ=", "ZXhhbXBsZS5jb20kdXVpZA=="])
def test_given_a_cloud_id_that_names_no_host_when_loaded_then_it_is_refused(cloud_id: str) -> None:
    (line,) = problems({"PENSTOCK_ELASTICSEARCH_CLOUD_ID": cloud_id})

    assert "expected a cloud id" in line


@pytest.mark.parametrize("value", ["0s", "-1", "1", "1w", "500ms", " 1 h", "h", "1.5h"])
def test_given_a_length_of_time_that_is_none_then_the_line_shows_one_that_is(value: str) -> None:
    (line,) = problems({"PENSTOCK_GC_DELETES": value})

    assert "such as 1h" in line


@pytest.mark.parametrize("value", ["90s", "5m", "2h", "7d"])
def test_given_a_length_of_time_then_it_stays_as_elasticsearch_takes_it(value: str) -> None:
    assert load({"PENSTOCK_GC_DELETES": value}).gc_deletes == value
