"""The Elasticsearch URLs as values that hide their user and password wherever they are printed.

It must not know the Elasticsearch client.
"""

from dataclasses import dataclass

from pydantic import SecretStr

from settings.urls import UrlParts, got, split_url

_SCHEMES = ("http", "https")
_EXAMPLE = "http://127.0.0.1:9200"


@dataclass(frozen=True, repr=False)
class ElasticsearchUrl:
    """One node: http:// or https://, host, port, an optional path; printing it shows no user and no password.

    `node` is the URL without user and password; these two are percent-decoded.
    """

    node: str
    username: str | None
    password: SecretStr | None
    _masked: str

    @classmethod
    def parse(cls, text: str, *, whole: str | None = None) -> "ElasticsearchUrl":
        """The URL in `text`, which may be one of several in the value `whole`.

        Raises ValueError, "expected X, got Y", without user or password in it.
        """
        parts = split_url(text, schemes=_SCHEMES, example=_EXAMPLE, whole=whole)
        _check(parts, got(text, whole=whole))
        # The client knows a default port for https alone: 80 or 9200 would be a guess.
        port = "" if parts.port else ":443"
        rest = f"{parts.address}{port}{parts.path.rstrip('/')}"
        node = f"{parts.scheme}://{rest}"
        masked = f"{parts.scheme}://{parts.masked_userinfo}{rest}"
        return cls(node, parts.username, parts.password, masked)

    @property
    def tls(self) -> bool:
        """Whether the node is spoken to over https."""
        return self.node.startswith("https://")

    def __str__(self) -> str:
        return self._masked

    def __repr__(self) -> str:
        return f"ElasticsearchUrl({self._masked!r})"


def parse_urls(value: object) -> tuple[ElasticsearchUrl, ...]:
    """One or several URLs, separated by commas or already apart.

    Raises ValueError with one line for each URL that is wrong.
    """
    if isinstance(value, str):
        pieces: list[object] = [piece.strip() for piece in value.split(",")]
        whole = value
    elif isinstance(value, tuple | list):
        pieces = list(value)
        whole = ",".join(piece for piece in pieces if isinstance(piece, str))
    else:
        raise ValueError(f"expected one or several URLs such as {_EXAMPLE}, got a {type(value).__name__}")  # noqa: TRY004 - pydantic reads ValueError
    if not pieces:
        raise ValueError(f"expected at least one URL such as {_EXAMPLE}, got none")
    return _parse_each(pieces, whole)


def _parse_each(pieces: list[object], whole: str) -> tuple[ElasticsearchUrl, ...]:
    urls: list[ElasticsearchUrl] = []
    problems: list[str] = []
    for number, piece in enumerate(pieces, start=1):
        try:
            urls.append(
                piece
                if isinstance(piece, ElasticsearchUrl)
                else ElasticsearchUrl.parse(str(piece), whole=whole)
            )
        except ValueError as error:
            problems.append(f"{error} (URL {number} of {len(pieces)})" if len(pieces) > 1 else str(error))
    if problems:
        raise ValueError("\n".join(problems))
    return tuple(urls)


def _check(parts: UrlParts, shown: str) -> None:
    if not parts.host:
        raise ValueError(f"expected a host, such as in {_EXAMPLE}, got {shown}")
    if parts.port is None and parts.scheme == "http":
        raise ValueError(f"expected a port, such as in {_EXAMPLE}, got {shown}")
    if parts.query:
        raise ValueError(f"expected a URL without options after `?`, such as {_EXAMPLE}, got {shown}")
    if (parts.username is None) != (parts.password is None):
        raise ValueError(f"expected both user and password before the host, or neither, got {shown}")
