"""Which jobs the harvest becomes, and what the index must hold once they are all done.

1. index: one job for each document.
2. change: how often each twentieth is mentioned by the others, as a partial update; each fiftieth deleted.
   Every hundredth gets both, in that order: it must be gone in the end.
3. bad field: one document whose `lines`, a number in all others, is a text.
4. meanwhile: without end, in turn: another number of mentions, a document as it was harvested, a note, one
   more note, and that one deleted again.

Pure. The `expected_…` functions work on plain dictionaries and know no job, so that the two can be compared.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from examples.stdlib_docs import Document
from jobs import DeleteDocument, IndexDocument, UpdateDocument

UPDATED_EVERY = 20
DELETED_EVERY = 50
BAD_DOCUMENT_ID = "tempfile.a_document_with_a_bad_field"

# Mentions that no document has by itself: each such update changes something.
FIRST_MENTIONS = 1_000_000

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


def meanwhile_jobs(
    documents: Sequence[Document], index: str
) -> Iterator[IndexDocument | UpdateDocument | DeleteDocument]:
    """Without end; on documents that `change_jobs` has left."""
    for number, document in _meanwhile(documents):
        match number % 5:
            case 0:
                mentions = FIRST_MENTIONS + number
                yield UpdateDocument(index=index, id=document["qualified_name"], doc={"mentions": mentions})
            case 1:
                yield IndexDocument(index=index, id=document["qualified_name"], document=document)
            case 2 | 3:
                yield IndexDocument(index=index, id=f"note-{number}", document=_note(number))
            case _:
                yield DeleteDocument(index=index, id=f"note-{number - 1}")


def expected_after_meanwhile(
    before: Mapping[str, Document], documents: Sequence[Document], jobs: int
) -> dict[str, Document]:
    """Id to content once the first so many of `meanwhile_jobs` are done as well."""
    expected = dict(before)
    for number, document in itertools.islice(_meanwhile(documents), jobs):
        name = document["qualified_name"]
        match number % 5:
            case 0:
                expected[name] = {**expected[name], "mentions": FIRST_MENTIONS + number}
            case 1:
                expected[name] = document
            case 2 | 3:
                expected[f"note-{number}"] = _note(number)
            case _:
                del expected[f"note-{number - 1}"]
    return expected


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


def _meanwhile(documents: Sequence[Document]) -> Iterator[tuple[int, Document]]:
    left = [document for position, document in enumerate(documents) if position % DELETED_EVERY]
    return enumerate(itertools.cycle(left))


def _note(number: int) -> Document:
    name = f"note-{number}"
    return {"qualified_name": name, "name": name, "module": "notes", "kind": "note", "lines": number}


def _updated(documents: Sequence[Document]) -> list[tuple[Document, int]]:
    """Each document to update, with the number of docstrings that speak of its name."""
    mentions = Counter(word for document in documents for word in set(WORD.findall(document["doc"])))
    return [(document, mentions[document["name"]]) for document in documents[::UPDATED_EVERY]]
