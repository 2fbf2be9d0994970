"""Writing a merged store: packed where one of its sources is, else a folder with all files.

A packed store has no attributions, anomalies, weights and single timings, and one that holds those
of some cells alone would be neither.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from aexbench import files
from aexbench.errors import RequestError, StoreError
from aexbench.merging.merge import Merged
from aexbench.merging.reading import Home, Result
from aexbench.running import packed
from aexbench.running.packed import ScoreTable
from aexbench.running.store import Store


def check_free(to: Path) -> None:
    """Raise RequestError unless a new store can be written into a folder."""
    try:
        taken = to.exists() and (not to.is_dir() or any(to.iterdir()))
    except OSError as error:
        raise RequestError(f"{str(to)[:80]!r} can be no store: {error.strerror}") from None
    if taken:
        raise RequestError(f"{to} is there already: merge into a new folder")


def write(merged: Merged, to: Path) -> None:
    """Write a merged store into a new folder, whole or not at all."""
    check_free(to)
    if not merged.results:
        raise RequestError("nothing is left to be merged")
    unfinished = to.with_name(f".{to.name}.merging")
    shutil.rmtree(unfinished, ignore_errors=True)  # what a merge that was killed has left
    try:
        (_write_packed if merged.packed else _write_folder)(merged, unfinished)
        if to.exists():
            to.rmdir()
        unfinished.rename(to)
    except OSError as error:
        raise StoreError(f"cannot write {to}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write_packed(merged: Merged, to: Path) -> None:
    scored = {key: one.scores for key, one in merged.results.items() if one.scores is not None}
    values = {key: scores.values for key, scores in scored.items()}
    keys = {merged.results[key].record.cell.anomaly_key for key in scored}
    sets = {key: known for key, known in merged.sets.items() if key in keys}
    records = [merged.results[key].record for key in sorted(merged.results)]
    packed.write(to, records, ScoreTable(merged.metrics, values, sets), merged.plans)


def _write_folder(merged: Merged, to: Path) -> None:
    store = Store(to, create=True)
    for result in merged.results.values():
        _write_result(store, result)
    for plan in merged.plans:
        known = {key: str(merged.results[key].record.cell) for key in merged.results}
        cells = {key: known.get(key, key) for key in plan["cells"]}
        files.write_json(
            store.path("plans", plan["suite"]["name"]), {"suite": plan["suite"], "cells": cells}
        )


def _write_result(store: Store, result: Result) -> None:
    """Write a result under its key, its record last."""
    record, cell = result.record, result.record.cell
    if "timings" in record.files:
        _copy(result.timed, "timings", result.timed.record.cell.key, store, cell.key)
    if result.scores is not None:
        own = result.home.record.cell
        _copy(result.home, "attributions", own.key, store, cell.key)
        _copy(result.home, "anomalies", own.anomaly_key, store, cell.anomaly_key)
        _copy(result.home, "detectors", own.detector_key, store, cell.detector_key)
        info = store.write_scores(cell.key, result.scores, record.files["attributions"])
        record = record.model_copy(update={"files": record.files_with("scores", info)})
    store.write_record(record)


def _copy(home: Home, folder: str, key: str, store: Store, new_key: str) -> None:
    """Copy a file of a cell, unless it is there: all cells of an anomaly set share theirs. A given
    detector has no file of weights.
    """
    assert isinstance(home.store, Store)
    source, target = home.store.path(folder, key), store.path(folder, new_key)
    if target.exists() or (folder == "detectors" and not source.exists()):
        return
    with source.open("rb") as file:
        files.write_with(target, lambda out: shutil.copyfileobj(file, out))
