"""Which jobs the harvest becomes, and what the index must hold once they are all done.

1. index: one job for each document.
2. change: how often each twentieth is mentioned by the others, as a partial update; each fiftieth deleted.
   Every hundredth gets both, in that order: it must be gone in the end.
3. bad field: one document whose `lines`, a number in all others, is a text.

Pure. `expected_after_changes` works on plain dictionaries and knows no job, so that the two can be compared.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from examples.stdlib_docs import Document
from jobs import DeleteDocument, IndexDocument, UpdateDocument

UPDATED_EVERY = 20
DELETED_EVERY = 50
BAD_DOCUMENT_ID = "tempfile.a_document_with_a_bad_field"

WORD = re.compile(r"\w+")


def index_jobs(documents: Sequence[Document], index: str) -> Iterator[IndexDocument]:
    for document in documents:
        yield IndexDocument(index=index, id=document["qualified_name"], document=document)


def change_jobs(documents: Sequence[Document], index: str) -> Iterator[UpdateDocument | DeleteDocument]:
    for document, mentions in _updated(documents):
        yield UpdateDocument(index=index, id=document["qualified_name"], doc={"mentions": mentions})
    for document in documents[::DELETED_EVERY]:
        yield DeleteDocument(index=index, id=document["qualified_name"])


def bad_field_job(index: str) -> IndexDocument:
    document: Document = {"qualified_name": BAD_DOCUMENT_ID, "module": "tempfile", "lines": "about a dozen"}
    return IndexDocument(index=index, id=BAD_DOCUMENT_ID, document=document)


def expected_after_indexing(documents: Sequence[Document]) -> dict[str, Document]:
    """Id to content once every `index` job is done."""
    return {document["qualified_name"]: document for document in documents}


def expected_after_changes(documents: Sequence[Document]) -> dict[str, Document]:
    """Id to content once the changes are done too; the document with the bad field never gets in."""
    expected = expected_after_indexing(documents)
    for document, mentions in _updated(documents):
        expected[document["qualified_name"]] = {**document, "mentions": mentions}
    for document in documents[::DELETED_EVERY]:
        del expected[document["qualified_name"]]
    return expected


def _updated(documents: Sequence[Document]) -> list[tuple[Document, int]]:
    """Each document to update, with the number of docstrings that speak of its name."""
    mentions = Counter(word for document in documents for word in set(WORD.findall(document["doc"])))
    return [(document, mentions[document["name"]]) for document in documents[::UPDATED_EVERY]]
