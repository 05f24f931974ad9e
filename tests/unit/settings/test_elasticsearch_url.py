"""The Elasticsearch URLs: one or several, credentials decoded, the client's node configuration."""

import pytest
from elastic_transport.client_utils import url_to_node_config

from settings import Settings, SettingsError, load


def from_url(text: str) -> Settings:
    return load({"PENSTOCK_ELASTICSEARCH_URL": text})


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        from_url(text)
    return caught.value.problems


def test_given_several_urls_when_loaded_then_all_are_nodes_in_order() -> None:
    settings = from_url("http://one:9200, http://two:9201 ,http://[::1]:9202")

    assert settings.elasticsearch_nodes == ("http://one:9200", "http://two:9201", "http://[::1]:9202")


@pytest.mark.parametrize(
    ("text", "node", "port", "path"),
    [
        ("http://one:9200/", "http://one:9200", 9200, ""),
        ("https://one", "https://one:443", 443, ""),
        ("https://one:9243/search/", "https://one:9243/search", 9243, "/search"),
    ],
)
def test_given_a_url_when_loaded_then_the_client_understands_its_node(
    text: str, node: str, port: int, path: str
) -> None:
    (found,) = from_url(text).elasticsearch_nodes

    assert found == node
    config = url_to_node_config(found)
    assert (config.port, config.path_prefix) == (port, path)


@pytest.mark.parametrize("password", ["p@ss", "a/b?c#d", "50%", "ä ö", "comma,colon:", "%2F"])
def test_given_a_percent_encoded_password_when_loaded_then_it_is_decoded_once(password: str) -> None:
    encoded = "".join(f"%{byte:02X}" for byte in password.encode())

    settings = from_url(f"http://us%40er:{encoded}@one:9200,http://us%40er:{encoded}@two:9200")

    assert settings.elasticsearch_basic_auth is not None
    username, secret = settings.elasticsearch_basic_auth
    assert (username, secret.get_secret_value()) == ("us@er", password)
    assert settings.elasticsearch_nodes == ("http://one:9200", "http://two:9200")


def test_given_user_and_password_in_their_own_variables_when_loaded_then_they_are_taken_as_they_are() -> None:
    settings = load({"PENSTOCK_ELASTICSEARCH_USERNAME": "u", "PENSTOCK_ELASTICSEARCH_PASSWORD": "p%40:/ss"})

    assert settings.elasticsearch_basic_auth is not None
    assert settings.elasticsearch_basic_auth[1].get_secret_value() == "p%40:/ss"


def test_given_no_credentials_when_loaded_then_there_is_no_basic_authentication() -> None:
    assert from_url("http://one:9200").elasticsearch_basic_auth is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one:9200", "http:// or https://"),
        ("redis://one:9200", "http:// or https://"),
        ("http://", "expected a host"),
        ("http://:9200", "expected a host"),
        ("http://one", "expected a port"),
        ("http://one:http", "a port from 1 to 65535"),
        ("http://one:99999", "a port from 1 to 65535"),
        ("http://o ne:9200", "without white space"),
        ("http://one:9200?pretty", "without options"),
        ("http://one:9200#x", "without a fragment"),
        ("http://user@one:9200", "both user and password"),
        ("http://:secret@one:9200", "both user and password"),
        ("http://user:100%@one:9200", "percent-encoded"),
        ("http://user:a/b@one:9200", "percent-encoded"),
    ],
)
def test_given_a_wrong_url_when_loaded_then_the_message_says_what_is_expected(
    text: str, expected: str
) -> None:
    (line,) = problems(text)

    assert line.startswith("PENSTOCK_ELASTICSEARCH_URL: expected ")
    assert expected in line


def test_given_two_wrong_urls_among_three_when_loaded_then_each_has_its_line_and_place() -> None:
    first, second = problems("one:9200,http://two:9200,http://three")

    assert first.endswith("got 'one:9200' (URL 1 of 3)")
    assert second.endswith("got 'http://three' (URL 3 of 3)")
    assert first.startswith("PENSTOCK_ELASTICSEARCH_URL: ")
    assert second.startswith("PENSTOCK_ELASTICSEARCH_URL: ")


def test_given_a_trailing_comma_when_loaded_then_the_empty_url_is_named() -> None:
    (line,) = problems("http://one:9200,")

    assert line.endswith("got '' (URL 2 of 2)")


def test_given_urls_in_python_when_made_directly_then_lists_and_tuples_work() -> None:
    assert Settings(elasticsearch_url=["http://one:9200"]).elasticsearch_nodes == ("http://one:9200",)
    again = Settings(elasticsearch_url=Settings().elasticsearch_url)
    assert again.elasticsearch_nodes == ("http://127.0.0.1:9200",)


@pytest.mark.parametrize("value", [(), 9200])
def test_given_no_url_in_python_when_made_directly_then_it_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"expected (at least one|one or several) URL"):
        Settings(elasticsearch_url=value)
