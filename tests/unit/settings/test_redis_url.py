"""The Redis URL: what is accepted, how it is decoded, what redis-py makes of it."""

import pytest
from redis.asyncio.connection import SSLConnection, UnixDomainSocketConnection, parse_url

from settings import RedisUrl, SettingsError, load


def secret(url: RedisUrl) -> str | None:
    return url.password.get_secret_value() if url.password else None


def test_given_a_full_url_when_parsed_then_every_part_is_at_hand() -> None:
    url = RedisUrl.parse("redis://worker:secret@Cache.example:6380/3")

    assert (url.host, url.port, url.database) == ("cache.example", 6380, 3)
    assert (url.username, secret(url)) == ("worker", "secret")
    assert (url.tls, url.unix_socket_path, url.tls_options) == (False, None, ())


@pytest.mark.parametrize(
    ("text", "host", "port", "database"),
    [
        ("redis://cache", "cache", 6379, 0),
        ("redis://cache/", "cache", 6379, 0),
        ("redis://cache?db=4", "cache", 6379, 4),
        ("redis://[::1]:7000/2", "::1", 7000, 2),
        (" redis://under_score:1/0\n", "under_score", 1, 0),
    ],
)
def test_given_a_short_url_when_parsed_then_the_rest_has_defaults(
    text: str, host: str, port: int, database: int
) -> None:
    url = RedisUrl.parse(text)

    assert (url.host, url.port, url.database) == (host, port, database)


@pytest.mark.parametrize("password", ["p@ss", "a/b?c#d", "50%", "ä ö:,", "%2F"])
def test_given_a_percent_encoded_password_when_parsed_then_it_and_redis_py_agree(password: str) -> None:
    encoded = "".join(f"%{byte:02X}" for byte in password.encode())

    url = RedisUrl.parse(f"redis://us%40er:{encoded}@cache:6379/0")

    assert (url.username, secret(url)) == ("us@er", password)
    kwargs = parse_url(url.reveal())
    assert (kwargs["username"], kwargs["password"], kwargs["host"]) == ("us@er", password, "cache")


def test_given_a_password_without_user_when_parsed_then_the_user_is_none() -> None:
    url = RedisUrl.parse("redis://:secret@cache")

    assert (url.username, secret(url)) == (None, "secret")


def test_given_a_unix_socket_when_parsed_then_path_and_database_are_found() -> None:
    url = RedisUrl.parse("unix://:secret@/run/redis.sock?db=2")

    assert (url.unix_socket_path, url.database, secret(url)) == ("/run/redis.sock", 2, "secret")
    assert str(url) == "unix://***@/run/redis.sock?db=2"
    kwargs = parse_url(url.reveal())
    assert kwargs["connection_class"] is UnixDomainSocketConnection
    assert (kwargs["path"], kwargs["db"]) == ("/run/redis.sock", 2)


@pytest.mark.parametrize(
    ("text", "checks_host"),
    [
        ("rediss://cache:6380/0", True),
        ("rediss://cache:6380/0?ssl_ca_certs=ca.pem", True),
        ("rediss://cache:6380/0?ssl_check_hostname=false", False),
        ("rediss://cache:6380/0?ssl_cert_reqs=none", None),
    ],
)
def test_given_tls_when_revealed_then_the_host_name_is_checked_unless_the_url_says_otherwise(
    text: str, checks_host: bool | None
) -> None:
    kwargs = dict(parse_url(RedisUrl.parse(text).reveal()))

    assert kwargs["connection_class"] is SSLConnection
    assert kwargs.get("ssl_check_hostname") is checks_host


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://cache", "redis:// or rediss:// or unix://"),
        ("cache:6379", "redis:// or rediss:// or unix://"),
        ("redis://", "expected a host"),
        ("redis:///0", "expected a host"),
        ("redis://ca che", "without white space"),
        ("redis://cache:0", "a port from 1 to 65535"),
        ("redis://cache:70000", "a port from 1 to 65535"),
        ("redis://ca$he", "a host name or address"),
        ("redis://[::1", "expected a URL"),
        ("redis://cache/zero", "a whole number as database"),
        ("redis://cache/-1", "a whole number as database"),
        ("redis://cache/1?db=1", "the database once"),
        ("redis://cache/0#x", "without a fragment"),
        ("redis://cache?ssl_cert_reqs=none", "no options after `?` but db"),
        ("redis://cache?socket_timeout=1", "no options after `?` but db"),
        ("rediss://cache?db=1&db=2", "each once"),
        ("rediss://cache?ssl_ca_certs=", "with a value"),
        ("unix://", "the path of a socket"),
        ("unix://host/run/redis.sock", "the path of a socket"),
        ("redis://:a/b@cache", "percent-encoded"),
        ("redis://:a?b@cache", "percent-encoded"),
        ("redis://:a#b@cache", "percent-encoded"),
        ("redis://:100%@cache", "percent-encoded"),
        ("redis://:%ff@cache", "UTF-8"),
        ("redis://user@cache", "user:password@ or :password@"),
        ("redis://user:@cache", "user:password@ or :password@"),
    ],
)
def test_given_a_wrong_url_when_loaded_then_the_message_says_what_is_expected(
    text: str, expected: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load({"PENSTOCK_REDIS_URL": text})

    (line,) = caught.value.problems
    assert line.startswith("PENSTOCK_REDIS_URL: expected ")
    assert expected in line
    assert ", got '" in line


def test_given_something_else_than_text_when_parsed_then_its_type_is_named() -> None:
    with pytest.raises(ValueError, match="got a int"):
        RedisUrl.parse(6379)
