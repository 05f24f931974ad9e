"""The Redis URL as a value that hides its user and password wherever it is printed.

It must not know redis-py or arq, only what their parameters are called.
"""

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from pydantic import SecretStr

from settings.urls import UrlParts, got, split_url

_SCHEMES = ("redis", "rediss", "unix")
_EXAMPLE = "redis://127.0.0.1:6379/0"
_TLS_OPTIONS = ("ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname")
_DEFAULT_PORT = 6379


@dataclass(frozen=True, repr=False)
class RedisUrl:
    """redis://, rediss:// (TLS) or unix://; printing it shows neither user nor password.

    `username` and `password` are percent-decoded; arq's own `RedisSettings.from_dsn` leaves them encoded.
    """

    host: str
    port: int
    unix_socket_path: str | None
    database: int
    username: str | None
    password: SecretStr | None
    tls: bool
    tls_options: tuple[tuple[str, str], ...]
    _text: SecretStr
    _masked: str

    @classmethod
    def parse(cls, value: object) -> "RedisUrl":
        """The URL in `value`. Raises ValueError, "expected X, got Y", without user or password in it."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise ValueError(f"expected a URL such as {_EXAMPLE}, got a {type(value).__name__}")  # noqa: TRY004 - pydantic reads ValueError
        text = value.strip()
        parts = split_url(text, schemes=_SCHEMES, example=_EXAMPLE)
        _check_place(parts, got(text))
        options = _options(parts, got(text))
        return cls(
            host=parts.host,
            port=parts.port or _DEFAULT_PORT,
            unix_socket_path=unquote(parts.path) if parts.scheme == "unix" else None,
            database=_database(parts, options.pop("db", None), got(text)),
            username=parts.username,
            password=parts.password,
            tls=parts.scheme == "rediss",
            tls_options=tuple(options.items()),
            _text=SecretStr(text),
            _masked=_masked(parts),
        )

    def reveal(self) -> str:
        """The URL with user and password, for redis-py's `from_url`; never print it.

        With TLS the host name is checked too, unless the URL says otherwise: redis-py leaves that off.
        """
        text = self._text.get_secret_value()
        options = dict(self.tls_options)
        if not self.tls or "ssl_check_hostname" in options or options.get("ssl_cert_reqs") == "none":
            return text
        return f"{text}{'&' if '?' in text else '?'}ssl_check_hostname=true"

    @property
    def verifies_certificates(self) -> bool:
        """False if TLS is on and the URL switches the check of the server's certificate off."""
        return not self.tls or dict(self.tls_options).get("ssl_cert_reqs") != "none"

    def __str__(self) -> str:
        return self._masked

    def __repr__(self) -> str:
        return f"RedisUrl({self._masked!r})"


def _masked(parts: UrlParts) -> str:
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.masked_userinfo}{parts.address}{parts.path}{query}"


def _check_place(parts: UrlParts, shown: str) -> None:
    if parts.scheme == "unix" and (parts.host or parts.port or len(parts.path) < 2):
        raise ValueError(f"expected the path of a socket, such as unix:///run/redis.sock?db=0, got {shown}")
    if parts.scheme != "unix" and not parts.host:
        raise ValueError(f"expected a host, such as in {_EXAMPLE}, got {shown}")
    if parts.username is not None and parts.password is None:
        # `redis://secret@host` is most often a password whose colon was forgotten.
        raise ValueError(f"expected user:password@ or :password@ before the host, got {shown}")


def _options(parts: UrlParts, shown: str) -> dict[str, str]:
    """The options after `?`. Others would override settings unseen; a password there would be printed."""
    allowed = ("db", *_TLS_OPTIONS) if parts.scheme == "rediss" else ("db",)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    options = dict(pairs)
    if len(options) < len(pairs) or any(name not in allowed or not options[name] for name in options):
        raise ValueError(
            f"expected no options after `?` but {', '.join(allowed)}, each once and with a value (user and "
            f"password stand before the host: {parts.scheme}://user:password@...), got {shown}"
        )
    return options


def _database(parts: UrlParts, option: str | None, shown: str) -> int:
    """The database's number; redis-py silently takes 0 for one that it can't read."""
    path = "" if parts.scheme == "unix" else parts.path.strip("/")
    if option is not None and path:
        raise ValueError(f"expected the database once, as /{option} or as ?db={option}, got {shown}")
    number = option if option is not None else path or "0"
    if not (number.isascii() and number.isdigit()):
        raise ValueError(f"expected a whole number as database, such as in {_EXAMPLE}, got {shown}")
    return int(number)
