"""The settings of the connection to Elasticsearch: where, as whom, over which TLS, with which patience.

It must not know the Elasticsearch client, nor the other settings: pairs of fields are checked in
`elasticsearch_pairs` and `pairs`.
"""

import binascii
import re
from base64 import b64decode
from typing import Annotated

from pydantic import BaseModel, Field, FilePath, PlainSerializer, PlainValidator, SecretStr, field_validator
from pydantic_settings import NoDecode

from settings.elasticsearch_url import ElasticsearchUrl, parse_urls

# A length of time as Elasticsearch takes it; its smaller units have no use here.
_TIME = re.compile(r"[1-9][0-9]{0,8}[smhd]")


def _print_urls(urls: tuple[ElasticsearchUrl, ...]) -> list[str]:
    return [str(url) for url in urls]


class ElasticsearchFields(BaseModel):
    """What concerns Elasticsearch."""

    elasticsearch_url: Annotated[
        tuple[ElasticsearchUrl, ...], NoDecode, PlainValidator(parse_urls), PlainSerializer(_print_urls)
    ] = Field(
        default=(ElasticsearchUrl.parse("http://127.0.0.1:9200"),),
        description="Elasticsearch: one URL or several of the same cluster, separated by commas; user and "
        "password may stand before the host, percent-encoded",
    )
    elasticsearch_cloud_id: str | None = Field(
        default=None, description="Elastic Cloud deployment, in place of the URL"
    )
    elasticsearch_api_key: SecretStr | None = Field(
        default=None, description="API key in its encoded form (one way to authenticate)"
    )
    elasticsearch_username: str | None = Field(
        default=None, description="user of basic authentication (another way)"
    )
    elasticsearch_password: SecretStr | None = Field(
        default=None, description="password of basic authentication, as it is, not percent-encoded"
    )
    elasticsearch_bearer_token: SecretStr | None = Field(
        default=None, description="bearer or service account token (another way)"
    )
    elasticsearch_ca_certs: FilePath | None = Field(
        default=None, description="file with the certificates of the authority to trust (PEM)"
    )
    elasticsearch_client_cert: FilePath | None = Field(
        default=None, description="file with the client's own certificate (PEM)"
    )
    elasticsearch_client_key: FilePath | None = Field(
        default=None, description="file with the key of the client's certificate, if that file has none (PEM)"
    )
    elasticsearch_verify_certs: bool = Field(
        default=True,
        description="whether the server's certificate is checked; `false` lets anyone in between read along",
    )
    elasticsearch_compress: bool = Field(
        default=False, description="whether requests are sent gzipped: less network, more processor time"
    )
    elasticsearch_sniff_on_start: bool = Field(
        default=False, description="whether the cluster's nodes are looked up when the worker starts"
    )
    elasticsearch_sniff_on_failure: bool = Field(
        default=False, description="whether the cluster's nodes are looked up anew when one does not answer"
    )
    elasticsearch_sniff_interval_seconds: float | None = Field(
        default=None, gt=0, description="seconds after which the cluster's nodes are looked up anew"
    )
    request_timeout_seconds: float = Field(
        default=20.0, gt=0, description="seconds to wait for Elasticsearch to answer one request"
    )
    connections_per_node: int = Field(
        default=8, ge=1, description="connections that each process opens to a node, at most"
    )
    gc_deletes: str = Field(
        default="1h",
        description="how long an index remembers deleted documents (`index.gc_deletes`), such as `1h`: given "
        "to indices that Penstock creates, and a shorter time of another index is warned of",
    )

    @property
    def elasticsearch_nodes(self) -> tuple[str, ...]:
        """The URLs without user and password; none if a cloud id is set."""
        return () if self.elasticsearch_cloud_id else tuple(url.node for url in self.elasticsearch_url)

    @property
    def elasticsearch_basic_auth(self) -> tuple[str, SecretStr] | None:
        """User and password, from their own fields or from the URL, percent-decoded; None if not set."""
        if self.elasticsearch_username is not None and self.elasticsearch_password is not None:
            return self.elasticsearch_username, self.elasticsearch_password
        for url in self.elasticsearch_url:
            if url.username is not None and url.password is not None:
                return url.username, url.password
        return None

    @field_validator("elasticsearch_cloud_id")
    @classmethod
    def _check_cloud_id(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            host = b64decode(value.rpartition(":")[2], validate=True).decode().partition("$")[0]
        except (binascii.Error, UnicodeDecodeError):
            host = ""
        if ":" not in value or not host:
            raise ValueError(f"expected a cloud id as Elastic Cloud shows it (name:base64), got {value!r}")
        return value

    @field_validator("gc_deletes")
    @classmethod
    def _check_gc_deletes(cls, value: str) -> str:
        if not _TIME.fullmatch(value):
            raise ValueError(f"expected a whole number of s, m, h or d, such as 1h, got {value!r}")
        return value

    @field_validator("elasticsearch_api_key", "elasticsearch_bearer_token")
    @classmethod
    def _check_token(cls, value: SecretStr | None) -> SecretStr | None:
        # Nobody accepts a key as `id:key`; a line end breaks the header, and that error shows the token.
        text = value.get_secret_value() if value else ""
        if any(sign.isspace() or sign == ":" or not sign.isascii() for sign in text):
            raise ValueError(
                "expected a token without white space and colons (an API key in its encoded form: the base64 "
                "of id:key), got a hidden value"
            )
        return value
