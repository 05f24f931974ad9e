"""Elastic's Go helper, `esutil.BulkIndexer`, built from `benchmarks/go` where Go and its modules are there.

Two workers, so two requests at a time as for raw `_bulk`. See docs/benchmarks.md for the size of a request.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from ..corpus import Pairs
from ..place import NotFit, Place
from ..reading import Reading

_SOURCE = Path(__file__).parents[1] / "go"
_BUILD_SECONDS = 300


class NoGo(Exception):
    """Raised when the Go program can't be built here; the row is left out."""


@contextmanager
def bulk_indexer() -> Iterator[Path]:
    """The program, built into a temporary directory. Raises NoGo with the reason."""
    go = shutil.which("go")
    if go is None:
        raise NoGo("Go is not on PATH")
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as directory:
        program = Path(directory) / "esutil"
        # No version control stamp: a checkout that git finds suspicious would fail the build.
        command = [go, "build", "-buildvcs=false", "-o", str(program), "."]
        try:
            subprocess.run(command, cwd=_SOURCE, check=True, capture_output=True, timeout=_BUILD_SECONDS)
        except subprocess.CalledProcessError as error:
            last = (error.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
            raise NoGo(f"`go build` failed: {last}") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NoGo(f"`go build` failed: {error}") from error
        yield program


async def esutil_bulk(place: Place, program: Path, pairs: Pairs) -> Reading:
    """Documents a second, from the first `Add` to the end of `Close`."""
    async with place.index() as index:
        with tempfile.NamedTemporaryFile(prefix="penstock-bench-", suffix=".ndjson") as file:
            for id, document in pairs:
                file.write(orjson.dumps({"id": id, "document": document}) + b"\n")
            file.flush()
            reading = await _run(place, program, index, file.name, len(pairs))
        await place.expect(index, len(pairs))
        return reading


async def _run(place: Place, program: Path, index: str, file: str, documents: int) -> Reading:
    arguments = ("-url", place.elasticsearch_url, "-index", index, "-file", file)
    process = await asyncio.create_subprocess_exec(
        str(program), *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        await process.stdout.readline()  # "ready": all documents are in its memory
        watch = place.stopwatch(producers=[process.pid])
        process.stdin.write(b"go\n")
        result = json.loads(await process.stdout.readline() or b"{}")
        reading = watch.rate(documents)
        process.stdin.write(b"seen\n")
        if result.get("failed", documents):
            raise NotFit(f"esutil.BulkIndexer failed: {result or 'it ended without a result'}")
        return reading
    finally:
        process.stdin.close()
        await process.wait()
