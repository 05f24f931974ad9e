"""A real Redis and a real Elasticsearch on this machine without Docker, for the demo, the tests and a laptop.

This room imports none of the others. Its packages are the optional extra `penstock[embedded]`; they are
imported where they are used, so that a missing one becomes an error that says what to do.
"""

from .elasticsearch_server import ElasticsearchServer, start_elasticsearch
from .errors import EmbeddedError
from .redis_server import RedisServer, start_redis
from .servers import EmbeddedServers

__all__ = [
    "ElasticsearchServer",
    "EmbeddedError",
    "EmbeddedServers",
    "RedisServer",
    "start_elasticsearch",
    "start_redis",
]
