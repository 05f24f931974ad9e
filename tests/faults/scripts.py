"""How the scripts that claim, finish and enqueue look on the wire: by the hash that EVALSHA names."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from worker.scripts import script


def _hash(text: str) -> bytes:
    return hashlib.sha1(text.encode()).hexdigest().encode()


CLAIM = _hash(script("claim"))
FINISH = _hash(script("finish"))
ENQUEUE = _hash(files("jobs").joinpath("enqueue.lua").read_text(encoding="utf-8"))
