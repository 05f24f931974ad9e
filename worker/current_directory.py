"""Lets modules of the user be imported from where the worker was started, as arq's own command does."""

from __future__ import annotations

import os
import sys


def make_importable() -> None:
    """Look for modules in the current directory too, after all other places."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
