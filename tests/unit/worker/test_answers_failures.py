"""What a failed request means for every action in it, for every error that the client has.

The classes are enumerated, so that a new one in the client fails this file until somebody thinks of it.
"""

from collections.abc import Iterator
from typing import Any

import elastic_transport
import elasticsearch
import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig

from worker.answers import Away, Problem, Trouble, read_failure

UNSURE = {Trouble.UNSURE}
UNAVAILABLE = {Trouble.UNAVAILABLE}
FAILED = {Trouble.FAILED}
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
    elastic_transport.ApiError: (500, FAILED),
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


def api_error(kind: Any, status: int, body: Any = None, headers: dict[str, str] | None = None) -> Exception:
    node = NodeConfig("http", "localhost", 9200)
    meta = ApiResponseMeta(status, "1.1", HttpHeaders(headers or {}), 0.0, node)
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
    trouble, problem = read_failure(kind("connection lost"))

    assert trouble in TRANSPORT[kind]
    assert problem.type
    assert problem.reason
    assert problem.away is not Away.NO


@pytest.mark.parametrize("kind", API, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_given_an_answer_of_each_class_then_its_status_decides(kind: Any) -> None:
    status, troubles = API[kind]

    assert read_failure(api_error(kind, status))[0] in troubles


@pytest.mark.parametrize(
    ("status", "trouble", "away"),
    [
        (400, Trouble.REFUSED, Away.NO),
        (413, Trouble.REFUSED, Away.NO),
        (429, Trouble.THROTTLED, Away.NO),
        (500, Trouble.FAILED, Away.MAYBE),
        *((status, Trouble.UNAVAILABLE, Away.YES) for status in (401, 403, 502, 503, 504, 507)),
    ],
)
def test_given_a_status_then_only_what_concerns_the_documents_is_split(
    status: int, trouble: Trouble, away: Away
) -> None:
    found, problem = read_failure(api_error(elasticsearch.ApiError, status))

    assert (found, problem.away) == (trouble, away)


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (elastic_transport.ConnectionError("refused"), Away.YES),
        (elastic_transport.ConnectionTimeout("20 s"), Away.MAYBE),
        (elastic_transport.SerializationError("a page"), Away.MAYBE),
    ],
)
def test_given_no_answer_then_only_a_connection_that_fails_says_that_the_cluster_is_away(
    error: Exception, away: Away
) -> None:
    assert read_failure(error)[1].away is away


@pytest.mark.parametrize("status", [200, 301, 302, 307, 404, 405, 406, 407, 408, 410, 421])
def test_given_an_answer_of_something_in_between_then_no_document_is_rejected_for_it(status: int) -> None:
    """A proxy with a wrong path, a login page, a redirect: the next request may reach Elasticsearch."""
    trouble, problem = read_failure(api_error(elasticsearch.ApiError, status))

    assert trouble in NOT_THE_DOCUMENTS
    assert problem.away is Away.YES


DATE = "Wed, 21 Oct 2026 07:28:00 GMT"


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"retry-after": "7"}, 7.0),
        ({"Retry-After": " 7 "}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "86400"}, 60.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": DATE}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 09:28:30 +0200", "date": DATE}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:27:00 GMT", "date": DATE}, 0.0),
        ({"retry-after": "Thu, 22 Oct 2026 07:28:00 GMT", "date": DATE}, 60.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30", "date": DATE}, 0.0),
        ({"retry-after": "soon", "date": DATE}, 0.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": ""}, 0.0),
    ],
)
def test_given_a_wish_for_silence_then_it_is_honoured_up_to_a_minute(
    status: int, headers: dict[str, str], seconds: float
) -> None:
    _, problem = read_failure(api_error(elasticsearch.ApiError, status, headers=headers))

    assert problem.retry_after == pytest.approx(seconds)


def test_given_a_server_of_another_major_version_then_no_document_is_rejected_for_it() -> None:
    """Elasticsearch 8 answers every request of a 9.x client with 400 and this type."""
    body = {"error": {"type": "media_type_header_exception", "reason": "Invalid media-type"}, "status": 400}

    assert read_failure(api_error(elasticsearch.BadRequestError, 400, body))[0] in NOT_THE_DOCUMENTS


def test_given_a_refusal_then_type_and_reason_are_elasticsearchs() -> None:
    body = {"error": {"type": "illegal_argument_exception", "reason": "no"}, "status": 400}

    assert read_failure(api_error(elasticsearch.BadRequestError, 400, body)) == (
        Trouble.REFUSED,
        Problem("illegal_argument_exception", "no"),
    )


def test_given_a_page_in_place_of_an_answer_then_the_reason_stays_small_and_says_something() -> None:
    page = "<html>" + "x" * 1_000_000

    _, problem = read_failure(api_error(elasticsearch.ApiError, 413, page))

    assert problem.type
    assert 0 < len(problem.reason) < 10_000


@pytest.mark.parametrize("body", [None, "", b"", {}])
def test_given_an_empty_answer_then_the_reason_names_the_status(body: Any) -> None:
    _, problem = read_failure(api_error(elasticsearch.ApiError, 413, body))

    assert "413" in f"{problem.type} {problem.reason}"


def test_given_an_error_that_is_none_of_the_clients_then_it_is_raised_as_it_is() -> None:
    defect = KeyError("items")

    with pytest.raises(KeyError) as raised:
        read_failure(defect)
    assert raised.value is defect
