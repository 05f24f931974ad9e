"""How many seeds each scenario is run with: one, in the short version, or what `make faults` asks for."""

from __future__ import annotations

import os

SEEDS = int(os.environ.get("PENSTOCK_FAULT_SEEDS", "1"))
