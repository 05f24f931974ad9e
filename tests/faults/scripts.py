"""How the scripts that claim, finish and enqueue look on the wire: by the hash that EVALSHA names."""

from __future__ import annotations

import hashlib

from jobs.scripts import script as jobs_script
from worker.scripts import script


def _hash(text: str) -> bytes:
    return hashlib.sha1(text.encode()).hexdigest().encode()


CLAIM = _hash(script("claim"))
FINISH = _hash(script("finish"))
ENQUEUE = _hash(jobs_script("enqueue"))
