"""Do two stores hold the same scores, cell by cell, to the last digit?

    python -m tests.same_scores BEFORE AFTER

Run one suite before and after a change that may change no figure, on one machine, and compare. Keys
do not count: cells are matched by what they say of themselves. It reads plain JSON and safetensors,
so that neither store has to be of this version. Exit code 1: they differ.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

SHOWN = 20


def cells(store: Path) -> dict[str, dict[str, Any]]:
    """Return a store's records by what their cells say."""
    paths = sorted((store / "cells").glob("*.json"))
    records = [json.loads(path.read_bytes()) | {"root": store, "key": path.stem} for path in paths]
    return {name(record["cell"]): record for record in records}


def name(cell: dict[str, Any]) -> str:
    """Return one line that names a cell, whatever its key."""
    parts = [cell[part]["text"] for part in ("dataset", "detector", "corruption", "explainer")]
    seeds = [cell[f"{part}_seed"] for part in ("control", "detector", "anomaly", "explainer")]
    return " | ".join([*parts, cell["control"], *map(str, seeds)])


def differs(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return which parts of two records differ: state, scores, measures, each sample's score."""
    parts = [part for part in ("state", "scores", "measures") if one[part] != other[part]]
    before, after = (
        (load_file(sidecar(record)) for record in (one, other)) if scored(one) else ({}, {})
    )
    parts += [key for key in before if not np.array_equal(before[key], after.get(key))]
    return parts


def scored(record: dict[str, Any]) -> bool:
    """Whether a record has one value per sample beside it."""
    return record["state"] == "ok" and sidecar(record).exists()


def sidecar(record: dict[str, Any]) -> Path:
    """Return the file of one value per sample; in both stores it bears the name of the record."""
    root: Path = record["root"]
    return root / "scores" / f"{record['key']}.safetensors"


def main(before: str, after: str) -> int:
    """Print what differs, and return the exit code."""
    one, other = (cells(Path(store)) for store in (before, after))
    missing = sorted(one.keys() ^ other.keys())
    different = {key: differs(one[key], other[key]) for key in one.keys() & other.keys()}
    lines = [f"only in one of them: {key}" for key in missing]
    lines += [f"differs in {', '.join(p)}: {key}" for key, p in sorted(different.items()) if p]
    print(*lines[:SHOWN], sep="\n")
    count = sum(map(bool, different.values()))
    print(f"{len(different)} cells compared, {count} differ, {len(missing)} in one store alone")
    return 1 if count or missing else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
