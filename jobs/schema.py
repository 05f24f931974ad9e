"""The JSON Schema of every payload, published in docs/schema for producers in other languages.

``python -m jobs.schema --write FOLDER`` writes one file a job; ``--check FOLDER`` exits 1 where a file
is missing or stale, and says which.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from .models import PAYLOADS, BulkWrite, DeleteDocument, IndexDocument, UpdateDocument


def schemas() -> dict[str, dict[str, Any]]:
    """Job name to the schema of its keyword arguments as they stand on the wire."""
    return {name: _schema(name) for name in PAYLOADS}


def _schema(name: str) -> dict[str, Any]:
    schema = PAYLOADS[name].model_json_schema()
    if name == BulkWrite.job:
        schema["properties"]["actions"]["items"] = {"oneOf": [_wire_action(m) for m in _ACTION_MODELS]}
        schema["$defs"] = {"JsonValue": {}}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


_ACTION_MODELS = (IndexDocument, UpdateDocument, DeleteDocument)


def _wire_action(model: type[IndexDocument | UpdateDocument | DeleteDocument]) -> dict[str, Any]:
    """An action inside a bulk: it names its kind in `op` and leaves the index out."""
    schema = model.model_json_schema()
    schema.pop("$defs", None)
    del schema["properties"]["index"]
    schema["properties"] = {"op": {"const": model.job}} | schema["properties"]
    schema["required"] = ["op", *(name for name in schema["required"] if name != "index")]
    return schema


def files() -> dict[str, str]:
    """File name to content."""
    return {f"{name}.json": json.dumps(schema, indent=2) + "\n" for name, schema in schemas().items()}


def stale(folder: Path) -> list[str]:
    """The names of the files in `folder` that are missing or differ from what the models say."""
    return [
        name
        for name, content in files().items()
        if not (folder / name).is_file() or (folder / name).read_text() != content
    ]


def main() -> int:
    """Write or check the published schemas; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m jobs.schema", description=__doc__)
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--write", type=Path, metavar="FOLDER")
    group.add_argument("--check", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    if options.write:
        options.write.mkdir(parents=True, exist_ok=True)
        for name, content in files().items():
            (options.write / name).write_text(content)
        return 0
    if names := stale(options.check):
        print(f"{options.check}: stale or missing: {', '.join(names)}. Run `make fix`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
