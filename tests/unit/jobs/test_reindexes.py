"""What is read of a reindex, out of what the worker stores."""

import pytest

from jobs import InvalidJob, ReindexAlias, ReindexPhase, SliceStatus
from jobs.client import _checked
from jobs.reindexes import status_of

BEGUN = {"id": "x", "job": "j", "queue": "q", "owner": "o", "phase": "create", "started": 1, "updated": 2}


def test_a_reindex_that_has_just_begun_has_nothing_to_tell_yet() -> None:
    status = status_of("products", BEGUN)

    assert (status.alias, status.job_id, status.phase) == ("products", "j", ReindexPhase.CREATE)
    assert status.running
    assert (status.old, status.done, status.total, status.slices, status.kept_index) == (None, 0, 0, (), None)


def test_slices_add_up() -> None:
    part = {"after": [1], "pit": "p", "done": 10, "dropped": 2, "finished": False}
    stored = {"slices": 2, "slice:0": part, "slice:1": part | {"done": 5, "finished": True}, "phase": "copy"}

    status = status_of("products", BEGUN | stored)

    assert (status.done, status.dropped) == (15, 4)
    assert status.slices == (SliceStatus(10, 2, False), SliceStatus(5, 2, True))
    assert status.to_wire()["slices"][1] == {"done": 5, "dropped": 2, "finished": True}


def test_an_index_is_kept_until_it_is_rolled_back_to() -> None:
    kept = {"old": "products-1", "rolled_back": False}

    assert status_of("products", BEGUN | {"kept": kept}).kept_index == "products-1"
    assert status_of("products", BEGUN | {"kept": kept | {"rolled_back": True}}).kept_index is None


@pytest.mark.parametrize("phase", ["done", "failed", "cancelled", "rolled_back"])
def test_an_ended_reindex_does_not_run(phase: str) -> None:
    assert not status_of("products", BEGUN | {"phase": phase}).running


def test_a_rollback_builds_nothing() -> None:
    with pytest.raises(InvalidJob, match="transform"):
        _checked(ReindexAlias, {"alias": "products", "rollback": True, "transform": "titled"})
