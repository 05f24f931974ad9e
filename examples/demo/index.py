"""What the demo asks Elasticsearch itself: the whole content of an index, its mapping, a search.

It only reads: everything is written through jobs.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from elasticsearch import AsyncElasticsearch
from elasticsearch.helpers import async_scan

from examples.stdlib_docs import Document

PAGE = 2_000
HITS = 8


class Hit(NamedTuple):
    """One line of the answer to a search."""

    score: float
    name: str
    kind: str
    summary: str


async def read_content(client: AsyncElasticsearch, index: str) -> dict[str, Document]:
    """Id to document of everything in the index, what was written a moment ago included."""
    await client.indices.refresh(index=index)
    hits = async_scan(client, index=index, size=PAGE, query={"sort": ["_doc"]})
    return {hit["_id"]: hit["_source"] async for hit in hits}


async def search(client: AsyncElasticsearch, index: str, text: str) -> list[Hit]:
    """The best hits for `text` in summaries, docstrings and names, best first."""
    fields = ["summary^2", "doc", "name"]
    query = {"multi_match": {"query": text, "fields": fields, "type": "most_fields"}}
    answer = await client.search(index=index, query=query, size=HITS)
    return [_hit(hit) for hit in answer["hits"]["hits"]]


async def concrete_name(client: AsyncElasticsearch, index: str) -> str:
    """The name of the index behind an alias; an index that is no alias is behind itself."""
    (name,) = await client.indices.get(index=index, filter_path="*.aliases")
    return str(name)


async def field_type(client: AsyncElasticsearch, index: str, field: str) -> str:
    """How a field is mapped, such as "text"."""
    (answer,) = (await client.indices.get_mapping(index=index)).values()
    return str(answer["mappings"]["properties"][field]["type"])


def _hit(hit: Mapping[str, Any]) -> Hit:
    source = hit["_source"]
    return Hit(hit["_score"], source["qualified_name"], source["kind"], source["summary"])
