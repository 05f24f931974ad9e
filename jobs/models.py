"""The payloads: the arguments of each job, checked where it is enqueued and again where it is run.

`job` is the payload's name on the wire. Unknown fields are refused. A version can't be set: versions
are Penstock's own (DESIGN: guarantees). Nothing here knows Redis.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from .errors import InvalidJob
from .names import DocumentId, IndexName, Routing, check_index_name

Object = dict[str, JsonValue]
# Each of them has an entry of its own in the worker: 600,000 took 222 MB.
MOST_LOAD_IDS = 10_000
# Each costs Redis some microseconds in one script call: for 100,000 of them everybody waited two seconds.
MOST_BULK_ACTIONS = 10_000
NonEmpty = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=512)]


class _Payload(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    job: ClassVar[str]

    def arguments(self) -> dict[str, Any]:
        """The job's keyword arguments on the wire: the fields that were given."""
        given = self.model_fields_set
        # In the order of the definition, a document last: so its bytes can be cut out of the JSON.
        return {name: value for name, value in self.__dict__.items() if name in given}


class _DocumentAction(_Payload):
    index: IndexName
    id: DocumentId
    routing: Routing | None = None
    wait_until_visible: bool = False


class IndexDocument(_DocumentAction):
    """Write a whole document, replacing what is there; with `create`, refuse to replace."""

    job: ClassVar[str] = "index"

    pipeline: NonEmpty | None = None
    create: bool = False
    require_alias: bool = False
    document: Object


class UpdateDocument(_DocumentAction):
    """Change a document in part (`doc`) or by a stored or inline `script`."""

    job: ClassVar[str] = "update"

    doc: Object | None = None
    doc_as_upsert: bool = False
    upsert: Object | None = None
    script: Object | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.doc is None) == (self.script is None):
            raise ValueError("an update takes either doc or script")
        if self.doc_as_upsert and self.doc is None:
            raise ValueError("doc_as_upsert needs doc")
        if self.doc_as_upsert and self.upsert is not None:
            raise ValueError("an update takes either doc_as_upsert or upsert")
        if self.script is not None and not {"source", "id"} & self.script.keys():
            raise ValueError("script needs a source or the id of a stored script")
        return self


class DeleteDocument(_DocumentAction):
    """Remove a document. One that is not there is a success (`missing`)."""

    job: ClassVar[str] = "delete"


DocumentAction = IndexDocument | UpdateDocument | DeleteDocument


class BulkWrite(_Payload):
    """Many actions on one index as one job with one report.

    In Python `actions` is a list of the three models above. On the wire each is an object that names its
    kind in ``op`` and leaves the index out: ``{"op": "delete", "id": "42"}``.
    """

    job: ClassVar[str] = "bulk"
    action_models: ClassVar[dict[str, type[DocumentAction]]] = {
        model.job: model for model in (IndexDocument, UpdateDocument, DeleteDocument)
    }

    index: IndexName
    wait_until_visible: bool = False
    actions: tuple[DocumentAction, ...] = Field(min_length=1, max_length=MOST_BULK_ACTIONS)

    @model_validator(mode="before")
    @classmethod
    def _read_wire_form(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("actions"), list | tuple):
            return data
        index = data.get("index")
        if not _is_index_name(index):  # pydantic's own finding names it, once
            return data
        models = cls.action_models
        actions = (_from_wire(models, i, action, index) for i, action in enumerate(data["actions"]))
        return data | {"actions": tuple(actions)}

    @field_validator("actions")
    @classmethod
    def _one_index(cls, actions: tuple[DocumentAction, ...], info: Any) -> tuple[DocumentAction, ...]:
        index = info.data.get("index")
        for position, action in enumerate(actions):
            if index is not None and action.index != index:
                raise ValueError(f"action {position} is on index {action.index!r}, this bulk is on {index!r}")
        return actions

    def arguments(self) -> dict[str, Any]:
        """The wire form: each action names its kind and leaves the index out."""
        actions = [{"op": action.job} | action.arguments() for action in self.actions]
        for action in actions:
            del action["index"]
        return super().arguments() | {"actions": actions}


def _is_index_name(index: Any) -> bool:
    try:
        return isinstance(index, str) and bool(check_index_name(index))
    except ValueError:
        return False


def _from_wire(models: dict[str, type[DocumentAction]], position: int, action: Any, index: Any) -> Any:
    """The model for one action of a bulk's wire form; what is no wire form goes on to pydantic's check."""
    if not isinstance(action, dict):
        return action
    members = dict(action)
    op = members.pop("op", None)
    if not isinstance(op, str) or op not in models:
        raise InvalidJob(f"actions.{position}.op", op, f"op must be one of {', '.join(models)}")
    if "index" in members:
        reason = f"action {position} takes its index from the bulk and can't name one"
        raise InvalidJob(f"actions.{position}.index", members["index"], reason)
    try:
        return models[op].model_validate(members | {"index": index})
    except ValidationError as error:
        inner = InvalidJob.from_validation(error)
        raise InvalidJob(f"actions.{position}.{inner.field}", inner.value, inner.reason) from None


class LoadDocuments(_Payload):
    """Read the records from a source that the worker has registered: index what is there, delete the rest."""

    job: ClassVar[str] = "load"

    source: NonEmpty
    ids: Annotated[tuple[DocumentId, ...], Field(min_length=1, max_length=MOST_LOAD_IDS)]

    @field_validator("ids", mode="before")
    @classmethod
    def _any_list(cls, ids: Any) -> Any:
        return tuple(ids) if isinstance(ids, list) else ids


class ReindexAlias(_Payload):
    """Build a new index behind an alias and move the alias to it; with `rollback`, move it back."""

    job: ClassVar[str] = "reindex"

    alias: IndexName
    mappings: Object | None = None
    settings: Object | None = None
    source: NonEmpty | None = None
    slices: Annotated[int, Field(ge=1, le=1024)] | None = None
    transform: NonEmpty | None = None
    rollback: bool = False

    @model_validator(mode="after")
    def _nothing_to_build(self) -> Self:
        wanted = ("mappings", "settings", "source", "slices", "transform")
        given = [name for name in wanted if getattr(self, name) is not None]
        if self.rollback and given:
            raise ValueError(f"a rollback returns to the index that there was, without {', '.join(given)}")
        return self


class VerifyIndex(_Payload):
    """Compare an index with a registered source; with `repair`, enqueue loads for what differs."""

    job: ClassVar[str] = "verify"

    index: IndexName
    source: NonEmpty
    repair: bool = False


Payload = (
    IndexDocument | UpdateDocument | DeleteDocument | BulkWrite | LoadDocuments | ReindexAlias | VerifyIndex
)
PAYLOADS: dict[str, type[Payload]] = {
    model.job: model
    for model in (
        IndexDocument,
        UpdateDocument,
        DeleteDocument,
        BulkWrite,
        LoadDocuments,
        ReindexAlias,
        VerifyIndex,
    )
}
