"""The rows of `penstock settings`."""

from pathlib import Path

import pytest

from settings import Settings, ShownSetting, load, shown


def rows(**values: str) -> dict[str, ShownSetting]:
    return {row.name: row for row in shown(load({}, **values))}


def test_given_settings_when_shown_then_every_one_has_a_row() -> None:
    assert [name.removeprefix("PENSTOCK_").lower() for name in rows()] == list(Settings.model_fields)


def test_given_a_value_from_the_environment_when_shown_then_its_origin_says_so() -> None:
    found = rows(queue="arq:queue")

    assert found["PENSTOCK_QUEUE"].origin == "environment"
    assert found["PENSTOCK_POLL_SECONDS"].origin == "default"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PENSTOCK_REDIS_URL", "redis://127.0.0.1:6379/0"),
        ("PENSTOCK_ELASTICSEARCH_URL", "http://127.0.0.1:9200"),
        ("PENSTOCK_ELASTICSEARCH_API_KEY", "not set"),
        ("PENSTOCK_ELASTICSEARCH_VERIFY_CERTS", "true"),
        ("PENSTOCK_RETRY_INITIAL_SECONDS", "0.1"),
        ("PENSTOCK_RETRY_MAX_SECONDS", "5"),
        ("PENSTOCK_BATCH_MAX_BYTES", "5242880"),
        ("PENSTOCK_LOG_LEVEL", "INFO"),
    ],
)
def test_given_defaults_when_shown_then_values_are_spelled_as_in_the_environment(
    name: str, value: str
) -> None:
    assert rows()[name].value == value


def test_given_the_shown_values_when_loaded_again_then_the_settings_are_the_same() -> None:
    settings = load({}, elasticsearch_url="http://one:9200,https://two", poll_seconds="0.25", queue="q")
    environ = {row.name: row.value for row in shown(settings) if row.value != "not set"}

    assert load(environ) == settings


def test_given_secrets_when_shown_then_they_are_masked_and_their_presence_is_not() -> None:
    found = rows(
        redis_url="rediss://u:hunter2@cache:6380/1",
        elasticsearch_url="https://one:9200",
        elasticsearch_username="reader",
        elasticsearch_password="hunter2",
    )

    assert found["PENSTOCK_REDIS_URL"].value == "rediss://***@cache:6380/1"
    assert found["PENSTOCK_ELASTICSEARCH_USERNAME"].value == "reader"
    assert found["PENSTOCK_ELASTICSEARCH_PASSWORD"].value == "***"


def test_given_certificates_that_are_not_checked_when_shown_then_there_is_a_warning() -> None:
    found = rows(
        elasticsearch_url="https://one:9200",
        elasticsearch_verify_certs="false",
        redis_url="rediss://cache?ssl_cert_reqs=none",
    )

    assert found["PENSTOCK_ELASTICSEARCH_VERIFY_CERTS"].value == (
        "false (warning: certificates are not checked)"
    )
    assert found["PENSTOCK_REDIS_URL"].value.endswith("(warning: certificates are not checked)")


def test_given_what_is_allowed_at_a_risk_when_shown_then_there_is_a_warning() -> None:
    found = rows(allow_unsafe_redis="true", allow_stock_workers="true")

    assert found["PENSTOCK_ALLOW_UNSAFE_REDIS"].value == "true (warning: Redis may lose jobs)"
    assert "may run twice" in found["PENSTOCK_ALLOW_STOCK_WORKERS"].value


def test_given_a_cloud_id_when_shown_then_the_default_url_is_marked_as_not_used() -> None:
    found = rows(elasticsearch_cloud_id="production:ZXhhbXBsZS5jb20kdXVpZA==")

    assert found["PENSTOCK_ELASTICSEARCH_URL"].value.endswith(
        "(not used: PENSTOCK_ELASTICSEARCH_CLOUD_ID is set)"
    )


def test_given_a_file_when_shown_then_its_path_is(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.touch()

    found = rows(elasticsearch_url="https://one:9200", elasticsearch_ca_certs=str(path))

    assert found["PENSTOCK_ELASTICSEARCH_CA_CERTS"].value == str(path)
