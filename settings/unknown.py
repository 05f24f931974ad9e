"""Finds variables that look like settings and are none, most often misspelt ones.

It must not show their values: PENSTOCK_ELASTICSEARCH_PASWORD is a secret all the same.
"""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches

from settings.names import PREFIX, variable
from settings.values import Settings

# Kubernetes sets these in every pod, for services called penstock or penstock-...
_SERVICE_LINK = re.compile(
    r"\w+_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


def unknown_variables(environ: Mapping[str, str] | None = None) -> list[str]:
    """One warning for each PENSTOCK_ variable in `environ` (this process's by default) that sets nothing."""
    known = {variable(field) for field in Settings.model_fields}
    names = os.environ if environ is None else environ
    return [
        _warning(name, known)
        for name in sorted(names)
        if name.upper().startswith(PREFIX) and name not in known and not _SERVICE_LINK.fullmatch(name)
    ]


def _warning(name: str, known: set[str]) -> str:
    close = get_close_matches(name.upper(), known, n=1, cutoff=0.8)
    advice = f"did you mean {close[0]}?" if close else "`penstock settings` lists those that there are"
    return f"{name}: expected the name of a setting, got one that sets nothing; {advice}"
