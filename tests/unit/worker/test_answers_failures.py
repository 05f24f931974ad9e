"""What a failed request means for every action in it, for every error that the client has.

The classes are enumerated, so that a new one in the client fails this file until somebody thinks of it.
"""

from collections.abc import Iterator
from typing import Any

import elastic_transport
import elasticsearch
import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig

from worker.answers import Trouble, read_failure

UNSURE = {Trouble.UNSURE}
UNAVAILABLE = {Trouble.UNAVAILABLE}
NOT_THE_DOCUMENTS = {Trouble.UNSURE, Trouble.UNAVAILABLE}

# What each class may mean. Those of `ApiError` are told apart by their status, further down.
TRANSPORT: dict[type[Exception], set[Trouble]] = {
    elastic_transport.TransportError: UNSURE,
    elastic_transport.ConnectionError: UNSURE,
    elastic_transport.TlsError: UNSURE,
    elastic_transport.ConnectionTimeout: UNSURE,
    elastic_transport.SerializationError: UNSURE,
    elastic_transport.SniffingError: NOT_THE_DOCUMENTS,
    elasticsearch.exceptions.UnsupportedProductError: NOT_THE_DOCUMENTS,
}
API: dict[type[Exception], tuple[int, set[Trouble]]] = {
    elastic_transport.ApiError: (500, UNAVAILABLE),
    elasticsearch.ApiError: (503, UNAVAILABLE),
    elasticsearch.BadRequestError: (400, {Trouble.REFUSED}),
    elasticsearch.AuthenticationException: (401, UNAVAILABLE),
    elasticsearch.AuthorizationException: (403, UNAVAILABLE),
    elasticsearch.NotFoundError: (404, UNAVAILABLE),
    elasticsearch.ConflictError: (409, NOT_THE_DOCUMENTS),
    elasticsearch.exceptions.UnsupportedProductError: (200, NOT_THE_DOCUMENTS),
}


def family(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__.partition(".")[0] in ("elastic_transport", "elasticsearch"):
            yield from family(child)


def api_error(kind: Any, status: int, body: Any = None) -> Exception:
    meta = ApiResponseMeta(status, "1.1", HttpHeaders(), 0.0, NodeConfig("http", "localhost", 9200))
    error: Exception = kind(message="no", meta=meta, body=body)
    return error


def test_every_error_of_the_client_is_listed_here() -> None:
    known = set(TRANSPORT) | set(API)
    there = {*family(elastic_transport.TransportError), *family(elastic_transport.ApiError)}

    assert there == known


@pytest.mark.parametrize(
    "kind", [kind for kind in TRANSPORT if kind not in API], ids=lambda kind: kind.__name__
)
def test_given_a_request_without_an_answer_then_nobody_knows_whether_it_was_executed(kind: Any) -> None:
    trouble, type, reason = read_failure(kind("connection lost"))

    assert trouble in TRANSPORT[kind]
    assert type
    assert reason


@pytest.mark.parametrize("kind", API, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_given_an_answer_of_each_class_then_its_status_decides(kind: Any) -> None:
    status, troubles = API[kind]

    assert read_failure(api_error(kind, status))[0] in troubles


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        (400, Trouble.REFUSED),
        (413, Trouble.REFUSED),
        (429, Trouble.THROTTLED),
        *((status, Trouble.UNAVAILABLE) for status in (401, 403, 500, 502, 503, 504, 507)),
    ],
)
def test_given_a_status_then_only_what_concerns_the_documents_is_split(status: int, trouble: Trouble) -> None:
    assert read_failure(api_error(elasticsearch.ApiError, status))[0] is trouble


@pytest.mark.parametrize("status", [200, 301, 302, 307, 404, 405, 406, 407, 408, 410, 421])
def test_given_an_answer_of_something_in_between_then_no_document_is_rejected_for_it(status: int) -> None:
    """A proxy with a wrong path, a login page, a redirect: the next request may reach Elasticsearch."""
    assert read_failure(api_error(elasticsearch.ApiError, status))[0] in NOT_THE_DOCUMENTS


def test_given_a_server_of_another_major_version_then_no_document_is_rejected_for_it() -> None:
    """Elasticsearch 8 answers every request of a 9.x client with 400 and this type."""
    body = {"error": {"type": "media_type_header_exception", "reason": "Invalid media-type"}, "status": 400}

    assert read_failure(api_error(elasticsearch.BadRequestError, 400, body))[0] in NOT_THE_DOCUMENTS


def test_given_a_refusal_then_type_and_reason_are_elasticsearchs() -> None:
    body = {"error": {"type": "illegal_argument_exception", "reason": "no"}, "status": 400}

    assert read_failure(api_error(elasticsearch.BadRequestError, 400, body)) == (
        Trouble.REFUSED,
        "illegal_argument_exception",
        "no",
    )


def test_given_a_page_in_place_of_an_answer_then_the_reason_stays_small_and_says_something() -> None:
    page = "<html>" + "x" * 1_000_000

    _, type, reason = read_failure(api_error(elasticsearch.ApiError, 413, page))

    assert type
    assert 0 < len(reason) < 10_000


@pytest.mark.parametrize("body", [None, "", b"", {}])
def test_given_an_empty_answer_then_the_reason_names_the_status(body: Any) -> None:
    _, type, reason = read_failure(api_error(elasticsearch.ApiError, 413, body))

    assert "413" in f"{type} {reason}"


def test_given_an_error_that_is_none_of_the_clients_then_it_is_raised_as_it_is() -> None:
    defect = KeyError("items")

    with pytest.raises(KeyError) as raised:
        read_failure(defect)
    assert raised.value is defect
