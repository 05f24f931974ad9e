"""What a service registers, and what is said where it can't be used."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from settings import SettingsError
from worker import registry as module
from worker.registry import Record, RegistrationError, Registry, load_registry


class Products:
    """A source that counts its instances."""

    async def fetch(self, ids: Sequence[str]) -> Iterable[Record]:
        return [Record(id, {"n": int(id)}) for id in ids]

    async def all(self, after: str | None) -> AsyncIterator[Sequence[Record]]:
        yield [Record("1", {"n": 1}, routing=after)]


class Blocking(Products):
    def fetch(self, ids: Sequence[str]) -> Iterable[Record]:  # type: ignore[override]
        return []


class NothingAtOnce(Products):
    async def all(self, after: str | None) -> list[Record]:  # type: ignore[override]
        return []


async def test_a_class_is_registered_as_one_instance_of_it() -> None:
    registry = Registry()

    assert registry.source("products", index="shop")(Products) is Products

    source = registry.sources["products"]
    assert (source.name, source.index) == ("products", "shop")
    assert isinstance(source.reader, Products)
    assert list(await source.fetch(["1", "2"])) == [Record("1", {"n": 1}), Record("2", {"n": 2})]
    assert [batch async for batch in source.all("0")] == [[Record("1", {"n": 1}, "0")]]


async def test_what_can_be_closed_is_closed_in_the_end(caplog: pytest.LogCaptureFixture) -> None:
    closed: list[str] = []

    class Closing(Products):
        async def close(self) -> None:
            closed.append(type(self).__name__)

    class Failing(Closing):
        async def close(self) -> None:
            raise RuntimeError("password=tiger")

    registry = Registry()
    for name, reader in (("a", Failing), ("b", Products), ("c", Closing)):
        registry.source(name, index="shop")(reader)

    await registry.close()

    assert closed == ["Closing"]
    assert [record.getMessage() for record in caplog.records] == [
        "source a could not be closed (RuntimeError)"
    ]


async def test_a_reader_that_does_not_close_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_CLOSE_SECONDS", 0.01)

    class Hanging(Products):
        async def close(self) -> None:
            await asyncio.Event().wait()

    registry = Registry()
    registry.source("a", index="shop")(Hanging)

    async with asyncio.timeout(5):
        await registry.close()

    assert caplog.messages == ["source a could not be closed (TimeoutError)"]


def test_an_object_is_registered_as_it_is() -> None:
    registry, products = Registry(), Products()

    assert registry.source("products", index="shop")(products) is products

    assert registry.sources["products"].reader is products


@pytest.mark.parametrize(
    ("register", "message"),
    [
        (lambda r: r.source("", index="shop")(Products), "source: expected a name, got ''"),
        (lambda r: r.source("taken", index="shop")(Products), "source 'taken': this name is registered"),
        (lambda r: r.source("s", index="Shop")(Products), "source 's': index 'Shop': an index name must be"),
        (lambda r: r.source("s", index="shop")(Blocking), "source 's': fetch: expected an async function"),
        (lambda r: r.source("s", index="shop")(NothingAtOnce()), "source 's': all: expected an async gen"),
        (lambda r: r.source("s", index="shop")(object()), "source 's': fetch: expected an async function"),
        (lambda r: r.transform("t")(3), "transform 't': expected a function, got 3"),
        (lambda r: r.transform("t", inverse=3)(dict), "transform 't': inverse: expected a function, got 3"),
    ],
)
def test_what_can_not_be_used_is_refused_by_name(register: Callable[[Any], object], message: str) -> None:
    registry = Registry()
    registry.source("taken", index="shop")(Products)

    with pytest.raises(RegistrationError) as refused:
        register(registry)

    assert str(refused.value).startswith(message)


async def test_a_transform_may_be_sync_or_async_and_drop_a_document() -> None:
    registry = Registry()

    @registry.transform("plain", inverse=lambda document: {"old": document["new"]})
    def plain(document: dict[str, Any]) -> dict[str, Any] | None:
        return {"new": document["old"]} if document["old"] else None

    @registry.transform("slow")
    async def slow(document: dict[str, Any]) -> dict[str, Any] | None:
        return {"slow": document}

    transforms = registry.transforms
    assert await transforms["plain"].apply({"old": 1}) == {"new": 1}
    assert await transforms["plain"].apply({"old": 0}) is None
    assert await transforms["plain"].undo({"new": 1}) == {"old": 1}
    assert await transforms["slow"].apply({"a": 1}) == {"slow": {"a": 1}}
    with pytest.raises(LookupError, match="the transform 'slow' is registered without an inverse"):
        await transforms["slow"].undo({})


def test_no_place_is_an_empty_registry() -> None:
    registry = load_registry(None)

    assert (dict(registry.sources), dict(registry.transforms)) == ({}, {})


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, from which modules are imported, forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    return tmp_path


def test_a_module_in_the_current_directory_is_found(here: Path) -> None:
    module = here / "shop_sources_found.py"
    module.write_text("from worker.registry import Registry\nregistry = Registry()\n")

    assert isinstance(load_registry("shop_sources_found:registry"), Registry)


@pytest.mark.parametrize(
    ("name", "code", "why"),
    [
        ("missing", None, "ModuleNotFoundError: No module named 'shop_sources_missing'"),
        ("unnamed", "", "AttributeError: module 'shop_sources_unnamed' has no attribute 'registry'"),
        ("other", "registry = {}", "registry is a dict, no worker.registry.Registry"),
        ("broken", "registry = (", "SyntaxError: '(' was never closed"),
        ("twice", "from worker.registry import Registry\nregistry = Registry()\n"
         "registry.source('', index='a')", "RegistrationError: source: expected a name, got ''"),
    ],
)  # fmt: skip
def test_what_can_not_be_loaded_is_said_with_variable_and_value(
    here: Path, name: str, code: str | None, why: str
) -> None:
    module = f"shop_sources_{name}"
    if code is not None:
        (here / f"{module}.py").write_text(code)

    with pytest.raises(SettingsError) as refused:
        load_registry(f"{module}:registry")

    (problem,) = refused.value.problems
    expected = f"PENSTOCK_SOURCES: expected package.module:registry, got '{module}:registry': {why}"
    assert problem.startswith(expected)
    assert "\n" not in problem


def test_the_text_of_a_foreign_error_is_not_shown(here: Path) -> None:
    (here / "shop_sources_secret.py").write_text("\nraise RuntimeError('password=tiger')\n")

    with pytest.raises(SettingsError) as refused:
        load_registry("shop_sources_secret:registry")

    assert "tiger" not in str(refused.value)
    assert "RuntimeError at " in str(refused.value)
    assert "shop_sources_secret.py:2" in str(refused.value)
