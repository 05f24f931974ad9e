"""Whether a server at an address answers, embedded or not: one short question each, never an exception.

`GET /_cluster/health` and not `GET /`: the embedded build has no root page.
"""

from __future__ import annotations

import base64
import http.client
import ssl
from urllib.parse import urlsplit

import redis

TIMEOUT_SECONDS = 5.0
HEALTH = "/_cluster/health?wait_for_status=yellow&timeout=1s"


def redis_answers(url: str) -> bool:
    """Whether a PING is answered."""
    client = redis.Redis.from_url(url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def elasticsearch_answers(url: str, credentials: tuple[str, str] | None = None) -> bool:
    """Whether the cluster says that all its primary shards are there; `credentials` are user and password.

    A node that asks for credentials when none are given answers too: more cannot be known then.
    """
    connection = _connection(url)
    try:
        connection.request("GET", HEALTH, headers=_authorization(credentials))
        response = connection.getresponse()
        response.read()
        if response.status == http.client.UNAUTHORIZED:
            return credentials is None
        return response.status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _authorization(credentials: tuple[str, str] | None) -> dict[str, str]:
    if credentials is None:
        return {}
    encoded = base64.b64encode(":".join(credentials).encode()).decode()
    return {"Authorization": f"Basic {encoded}"}


def _connection(url: str) -> http.client.HTTPConnection:
    address = urlsplit(url)
    host = address.hostname or "127.0.0.1"
    if address.scheme != "https":
        return http.client.HTTPConnection(host, address.port, timeout=TIMEOUT_SECONDS)
    # It asks only whether the node is up and sends nothing secret, so the certificate does not matter here.
    context = ssl._create_unverified_context()
    return http.client.HTTPSConnection(host, address.port, timeout=TIMEOUT_SECONDS, context=context)
