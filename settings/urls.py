"""Splits a URL that may carry a user and a password, without ever letting them out.

1. Refuse what would be read wrongly: white space, a stray `%`, an unencoded `/`, `?` or `#` in a password.
2. Split it, percent-decode user and password, check host and port.
3. A message shows the URL only if nothing in it can be a password: a URL too broken to split may still
   hold one, and nobody can tell where.

It must not know what is behind the URL: Redis and Elasticsearch add their own rules.
"""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

HIDDEN = "***"

_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST = re.compile(r"[\w.-]+|[0-9a-fA-F:.]+(%\w+)?")  # a name (Compose allows underscores), IPv4 or IPv6


@dataclass(frozen=True)
class UrlParts:
    """The parts of a URL; user and password percent-decoded, the host in lower case and without brackets."""

    scheme: str
    username: str | None
    password: SecretStr | None
    host: str
    port: int | None
    path: str
    query: str

    @property
    def address(self) -> str:
        """host[:port] as it stands in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def masked_userinfo(self) -> str:
        """What stands before the host in print: `***@`, or nothing when the URL has no user or password."""
        return "" if self.username is None and self.password is None else f"{HIDDEN}@"


def got(text: str, *, whole: str | None = None) -> str:
    """`text` for a message, hidden if it, or the longer value it was cut from, may hold a password.

    One may stand before an `@`, in options after a `?`, or be cut in two by a `#`.
    """
    return _hidden(text) if re.search("[@?#]", whole or text) else repr(text)


def _hidden(text: str) -> str:
    scheme, separator, _ = text.partition("://")
    return f"'{scheme}://{HIDDEN}'" if separator and scheme.isalnum() else f"'{HIDDEN}'"


def split_url(text: str, *, schemes: tuple[str, ...], example: str, whole: str | None = None) -> UrlParts:
    """The parts of `text`, which may be one of several URLs in the value `whole`.

    Raises ValueError, "expected X, got Y", without user or password in it.
    """
    shown = got(text, whole=whole)
    if re.search(r"[\s\x00-\x1f\x7f]", text):
        raise ValueError(f"expected a URL without white space, such as {example}, got {shown}")
    split = _split(text, shown, example)
    if split.scheme not in schemes:
        names = " or ".join(f"{scheme}://" for scheme in schemes)
        raise ValueError(f"expected a URL that starts with {names}, such as {example}, got {shown}")
    if "@" in split.path + split.query + split.fragment or _STRAY_PERCENT.search(text):
        raise ValueError(
            "expected user and password percent-encoded (% as %25, / as %2F, ? as %3F, # as %23, @ as %40, "
            f", as %2C), got {shown}"
        )
    if split.fragment:
        raise ValueError(f"expected a URL without a fragment (#...), got {shown}")
    return _parts(split, shown, example)


def _split(text: str, shown: str, example: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError:  # its message quotes the text
        raise ValueError(f"expected a URL such as {example}, got {shown}") from None


def _parts(split: SplitResult, shown: str, example: str) -> UrlParts:
    try:
        port, host = split.port, split.hostname or ""
        username = unquote(split.username, errors="strict") if split.username else None
        password = SecretStr(unquote(split.password, errors="strict")) if split.password else None
    except UnicodeDecodeError:  # a ValueError too, and it carries the bytes
        raise ValueError(f"expected user and password percent-encoded as UTF-8, got {shown}") from None
    except ValueError:  # its message quotes the port
        # `redis://:secret`, its host forgotten, reads as a port too: only digits after a host are shown.
        found = shown if re.fullmatch(r"[\w.-]+:\d+", split.netloc) else _hidden(split.geturl())
        raise ValueError(f"expected a port from 1 to 65535, such as in {example}, got {found}") from None
    if port == 0:
        raise ValueError(f"expected a port from 1 to 65535, such as in {example}, got {shown}")
    if host and not _HOST.fullmatch(host):
        raise ValueError(f"expected a host name or address, such as in {example}, got {shown}")
    return UrlParts(split.scheme, username, password, host, port, split.path, split.query)
