"""Settings of the connection to Elasticsearch that exclude or need each other."""

from itertools import combinations
from pathlib import Path

import pytest

from settings import SettingsError, load

CLOUD_ID = "production:ZXhhbXBsZS5jb20kdXVpZA=="
WAYS = {
    "PENSTOCK_ELASTICSEARCH_API_KEY": {"elasticsearch_api_key": "a2V5"},
    "PENSTOCK_ELASTICSEARCH_BEARER_TOKEN": {"elasticsearch_bearer_token": "AAEAA"},
    "PENSTOCK_ELASTICSEARCH_USERNAME": {"elasticsearch_username": "u", "elasticsearch_password": "p"},
    "user:password@ in PENSTOCK_ELASTICSEARCH_URL": {"elasticsearch_url": "https://u:p@one:9200"},
}


def problems(**values: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load({}, **values)
    return caught.value.problems


@pytest.fixture
def pem(tmp_path: Path) -> str:
    path = tmp_path / "file.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\n")
    return str(path)


def test_given_cloud_id_and_url_when_loaded_then_one_must_go() -> None:
    (line,) = problems(elasticsearch_cloud_id=CLOUD_ID, elasticsearch_url="http://127.0.0.1:9200")

    assert line == (
        "PENSTOCK_ELASTICSEARCH_CLOUD_ID: expected either this or PENSTOCK_ELASTICSEARCH_URL, "
        "got both; remove one"
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("elasticsearch_sniff_on_start", "true"),
        ("elasticsearch_sniff_on_failure", "true"),
        ("elasticsearch_sniff_interval_seconds", "60"),
    ],
)
def test_given_cloud_id_and_sniffing_when_loaded_then_sniffing_must_go(field: str, value: str) -> None:
    (line,) = problems(elasticsearch_cloud_id=CLOUD_ID, **{field: value})

    assert line.startswith(f"PENSTOCK_{field.upper()}: expected no sniffing")


@pytest.mark.parametrize("way", WAYS)
def test_given_one_way_to_authenticate_when_loaded_then_it_is_accepted(way: str) -> None:
    load({}, **WAYS[way])


@pytest.mark.parametrize(("first", "second"), list(combinations(WAYS, 2)))
def test_given_two_ways_to_authenticate_when_loaded_then_both_are_named(first: str, second: str) -> None:
    (line,) = problems(**WAYS[first], **WAYS[second])

    assert "expected one way to authenticate, got 2" in line
    assert first in line
    assert second in line


def test_given_a_user_without_password_when_loaded_then_the_password_is_asked_for() -> None:
    (line,) = problems(elasticsearch_username="u")

    assert line.startswith("PENSTOCK_ELASTICSEARCH_PASSWORD: expected a password for PENSTOCK_ELASTIC")


def test_given_a_password_without_user_when_loaded_then_the_user_is_asked_for() -> None:
    (line,) = problems(elasticsearch_password="p")

    assert line.startswith("PENSTOCK_ELASTICSEARCH_USERNAME: expected a user for PENSTOCK_ELASTIC")


@pytest.mark.parametrize("other", ["http://u:q@two:9200", "http://v:p@two:9200", "http://two:9200"])
def test_given_urls_with_different_credentials_when_loaded_then_they_must_be_made_equal(other: str) -> None:
    (line,) = problems(elasticsearch_url=f"http://u:p@one:9200,{other}")

    assert line.startswith("PENSTOCK_ELASTICSEARCH_URL: expected the same user and password in every URL")


def test_given_a_key_without_certificate_when_loaded_then_the_certificate_is_asked_for(pem: str) -> None:
    (line,) = problems(elasticsearch_url="https://one:9200", elasticsearch_client_key=pem)

    assert line.startswith("PENSTOCK_ELASTICSEARCH_CLIENT_CERT: expected the certificate of PENSTOCK_ELASTIC")


def test_given_https_when_loaded_with_every_tls_option_then_it_is_accepted(pem: str) -> None:
    settings = load(
        {},
        elasticsearch_url="https://one:9200",
        elasticsearch_ca_certs=pem,
        elasticsearch_client_cert=pem,
        elasticsearch_client_key=pem,
        elasticsearch_verify_certs="false",
    )

    assert settings.elasticsearch_ca_certs == Path(pem)


def test_given_a_cloud_id_when_loaded_with_tls_options_then_they_are_accepted_since_it_is_https(
    pem: str,
) -> None:
    load({}, elasticsearch_cloud_id=CLOUD_ID, elasticsearch_ca_certs=pem)


@pytest.mark.parametrize("url", ["http://one:9200", "https://one:9200,http://two:9200"])
@pytest.mark.parametrize("field", ["elasticsearch_ca_certs", "elasticsearch_client_cert"])
def test_given_http_when_loaded_with_a_certificate_then_https_is_asked_for(
    field: str, url: str, pem: str
) -> None:
    (line,) = problems(**{"elasticsearch_url": url, field: pem})

    assert line.startswith(f"PENSTOCK_{field.upper()}: expected only https:// in PENSTOCK_ELASTICSEARCH_URL")
    assert pem in line


def test_given_http_when_certificates_are_not_to_be_checked_then_https_is_asked_for() -> None:
    (line,) = problems(elasticsearch_url="http://one:9200", elasticsearch_verify_certs="false")

    assert line.startswith("PENSTOCK_ELASTICSEARCH_VERIFY_CERTS: expected only https://")
    assert "got 'false'" in line
