"""Settings of the connection to Elasticsearch that exclude or need each other.

All are checked and every problem is told, not the first alone. It must not know the Elasticsearch client,
which finds some of these itself, later and in words that name no environment variable.
"""

from collections.abc import Iterator

from settings.elasticsearch import ElasticsearchFields
from settings.names import variable

_URL = variable("elasticsearch_url")
_CLOUD_ID = variable("elasticsearch_cloud_id")


def elasticsearch_problems(fields: ElasticsearchFields) -> Iterator[str]:
    """One line for each contradiction."""
    yield from _place_problems(fields)
    yield from _credential_problems(fields)
    yield from _basic_auth_problems(fields)
    yield from _tls_problems(fields)


def _place_problems(fields: ElasticsearchFields) -> Iterator[str]:
    if not fields.elasticsearch_cloud_id:
        return
    if "elasticsearch_url" in fields.model_fields_set:
        yield f"{_CLOUD_ID}: expected either this or {_URL}, got both; remove one"
    sniffing = (
        "elasticsearch_sniff_on_start",
        "elasticsearch_sniff_on_failure",
        "elasticsearch_sniff_interval_seconds",
    )
    for field in sniffing:
        if getattr(fields, field):
            yield f"{variable(field)}: expected no sniffing with {_CLOUD_ID}, got both; remove the first"


def _credential_problems(fields: ElasticsearchFields) -> Iterator[str]:
    """More than one way to authenticate: which one wins would be the client's choice."""
    ways = [
        variable(field)
        for field in ("elasticsearch_api_key", "elasticsearch_bearer_token", "elasticsearch_username")
        if getattr(fields, field) is not None
    ]
    if any(url.username is not None for url in fields.elasticsearch_url):
        ways.append(f"user:password@ in {_URL}")
    if len(ways) > 1:
        yield f"{ways[0]}: expected one way to authenticate, got {len(ways)} ({', '.join(ways)}); keep one"


def _basic_auth_problems(fields: ElasticsearchFields) -> Iterator[str]:
    username, password = variable("elasticsearch_username"), variable("elasticsearch_password")
    if fields.elasticsearch_username is not None and fields.elasticsearch_password is None:
        yield f"{password}: expected a password for {username}, got none; set it too"
    if fields.elasticsearch_password is not None and fields.elasticsearch_username is None:
        yield f"{username}: expected a user for {password}, got none; set it too"
    if len({(url.username, url.password) for url in fields.elasticsearch_url}) > 1:
        yield f"{_URL}: expected the same user and password in every URL, got different ones; make them equal"


def _tls_problems(fields: ElasticsearchFields) -> Iterator[str]:
    cert, key = variable("elasticsearch_client_cert"), variable("elasticsearch_client_key")
    if fields.elasticsearch_client_key is not None and fields.elasticsearch_client_cert is None:
        yield f"{cert}: expected the certificate of {key}, got none; set it too"
    if fields.elasticsearch_cloud_id or all(url.tls for url in fields.elasticsearch_url):
        return
    for field in ("elasticsearch_ca_certs", "elasticsearch_client_cert", "elasticsearch_client_key"):
        if getattr(fields, field) is not None:
            yield _needs_https(field, str(getattr(fields, field)))
    if not fields.elasticsearch_verify_certs:
        yield _needs_https("elasticsearch_verify_certs", "false")


def _needs_https(field: str, value: str) -> str:
    return (
        f"{variable(field)}: expected only https:// in {_URL} with this TLS option, got {value!r} "
        "and http://; change the URL or remove the option"
    )
