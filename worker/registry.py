"""What a service registers for its worker: sources, which read the system of record, and transforms.

    registry = Registry()

    @registry.source("products", index="products")
    class Products:
        async def fetch(self, ids: Sequence[str]) -> Iterable[Record]: ...
        async def all(self, after: str | None) -> AsyncIterator[Sequence[Record]]: ...

    @registry.transform("renamed", inverse=old_names)
    def new_names(document: dict[str, Any]) -> dict[str, Any] | None: ...

`PENSTOCK_SOURCES=package.module:registry` names it. It is loaded in each worker process, after the fork and
inside the running loop. docs/sources.md says what is asked of a source.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from jobs.names import check_index_name
from settings import SettingsError

from .current_directory import make_importable

Document = dict[str, Any]
Transformation = Callable[[Document], Document | Awaitable[Document | None] | None]
R = TypeVar("R", bound="Reader | type")
F = TypeVar("F", bound=Transformation)

logger = logging.getLogger("penstock.sources")

_VARIABLE = "PENSTOCK_SOURCES"
# For one reader to close what it has opened; the process is about to end.
_CLOSE_SECONDS = 3.0


class RegistrationError(ValueError):
    """Raised when something is registered that can't be used; names what, and why."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a source; `document` None: it is gone, and its document had this `routing`."""

    id: str
    document: Document | None
    routing: str | None = None


class Reader(Protocol):
    """What a service writes to make a source of. It may also have an async `close`, called at the end."""

    async def fetch(self, ids: Sequence[str]) -> Iterable[Record]:
        """The records with these ids, in any order; one that is left out is gone."""

    def all(self, after: str | None) -> AsyncIterator[Sequence[Record]]:
        """All records in batches, in the order of their ids; those behind `after` where it is given."""


class Source(Reader, Protocol):
    """A registered source: a reader, and the index that its records go to."""

    @property
    def index(self) -> str:
        """The name under which jobs write the documents: the alias, where there is one."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A source under its name."""

    name: str
    index: str
    reader: Reader

    async def fetch(self, ids: Sequence[str]) -> Iterable[Record]:
        """See Reader."""
        return await self.reader.fetch(ids)

    def all(self, after: str | None) -> AsyncIterator[Sequence[Record]]:
        """See Reader."""
        return self.reader.all(after)


@dataclass(frozen=True, slots=True)
class Transform:
    """A transform under its name. `inverse` makes the old document of a new one; a rollback needs it."""

    name: str
    function: Transformation
    inverse: Transformation | None = None

    async def apply(self, document: Document) -> Document | None:
        """The document as the new index is to have it; None where it is to have none."""
        return await _called(self.function, document)

    async def undo(self, document: Document) -> Document | None:
        """The document as the old index had it. Raises LookupError without an inverse."""
        if self.inverse is None:
            raise LookupError(f"the transform {self.name!r} is registered without an inverse")
        return await _called(self.inverse, document)


class Registry:
    """See the module. Registering raises RegistrationError."""

    def __init__(self) -> None:
        self._sources: dict[str, Registered] = {}
        self._transforms: dict[str, Transform] = {}

    @property
    def sources(self) -> Mapping[str, Registered]:
        """The sources by name."""
        return MappingProxyType(self._sources)

    @property
    def transforms(self) -> Mapping[str, Transform]:
        """The transforms by name."""
        return MappingProxyType(self._transforms)

    def source(self, name: str, *, index: str) -> Callable[[R], R]:
        """Register a class, of which one instance is made at once, or an object."""
        _check_name("source", name, self._sources)
        try:
            check_index_name(index)
        except (ValueError, TypeError) as error:
            raise RegistrationError(f"source {name!r}: index {index!r}: {error}") from None

        def register(reader: R) -> R:
            made: Any = reader() if isinstance(reader, type) else reader
            _check_reader(name, made)
            self._sources[name] = Registered(name, index, made)
            return reader

        return register

    async def close(self) -> None:
        """Close what readers have opened; `Runtime` calls it on every way out. Never raises."""
        for name, source in self._sources.items():
            try:
                if close := getattr(source.reader, "close", None):
                    async with asyncio.timeout(_CLOSE_SECONDS):
                        await close()
            except Exception as error:  # the service's own code: the others are closed all the same
                logger.warning("source %s could not be closed (%s)", name, type(error).__name__)

    def transform(self, name: str, *, inverse: Transformation | None = None) -> Callable[[F], F]:
        """Register a function, sync or async, from a document to the new one; None drops the document."""
        _check_name("transform", name, self._transforms)
        if not (inverse is None or callable(inverse)):
            raise RegistrationError(f"transform {name!r}: inverse: expected a function, got {inverse!r}")

        def register(function: F) -> F:
            if not callable(function):
                raise RegistrationError(f"transform {name!r}: expected a function, got {function!r}")
            self._transforms[name] = Transform(name, function, inverse)
            return function

        return register


def load_registry(place: str | None) -> Registry:
    """The registry at `package.module:name`, an empty one for None. Raises SettingsError."""
    if place is None:
        return Registry()
    make_importable()
    module_name, _, name = place.partition(":")
    try:
        found = getattr(import_module(module_name), name)
    except Exception as error:  # the module may fail with anything
        raise _refused(place, _why(error)) from error
    if not isinstance(found, Registry):
        raise _refused(place, f"{name} is a {type(found).__name__}, no worker.registry.Registry")
    return found


def _refused(place: str, why: str) -> SettingsError:
    return SettingsError(f"{_VARIABLE}: expected package.module:registry, got {place!r}: {why}")


def _why(error: Exception) -> str:
    """On one line. A foreign error's text may quote a password; where it was raised says as much."""
    if isinstance(error, ImportError | AttributeError | SyntaxError | RegistrationError):
        return " ".join(f"{type(error).__name__}: {error}".split())
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {last.filename}:{last.lineno}"


def _check_name(kind: str, name: str, taken: Mapping[str, object]) -> None:
    if not isinstance(name, str) or not name:
        raise RegistrationError(f"{kind}: expected a name, got {name!r}")
    if name in taken:
        raise RegistrationError(f"{kind} {name!r}: this name is registered already")


def _check_reader(name: str, reader: object) -> None:
    wanted = (
        ("fetch", inspect.iscoroutinefunction, "an async function"),
        ("all", inspect.isasyncgenfunction, "an async generator"),
    )
    for method, is_right, expected in wanted:
        found = getattr(reader, method, None)
        if found is None or not is_right(inspect.unwrap(found)):
            raise RegistrationError(f"source {name!r}: {method}: expected {expected}, got {found!r}")


async def _called(function: Transformation, document: Document) -> Document | None:
    result = function(document)
    return await result if inspect.isawaitable(result) else result
