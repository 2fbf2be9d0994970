"""The same cell in two stores: the same figures become one result, other figures are refused.

Processors differ in the last bits of what they compute, so figures are the same within rounding.
Times are never averaged: those of the store that is named first stay, and those of another machine
are taken where there are none, with the machine that they were measured on.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aexbench.merging.reading import Result
from aexbench.running.store import Scores, Store

RELATIVE, ABSOLUTE = 1e-6, 1e-9  # rounding of scores
LEAST = 1e-4  # of the largest attribution: what is less may differ in its last bits


def difference(one: Result, other: Result) -> str:
    """Return a line on how the figures of one cell differ in two stores, empty if they do not."""
    if one.scores is None or other.scores is None:
        return ""  # a cell that was not explained has no figures
    shared = [name for name in one.scores.values if name in other.scores.values]
    unlike = [name for name in shared if not _alike(one.scores, other.scores, name)]
    if unlike:
        return _said(one, other, unlike[0])
    if not shared and not _same_attributions(one, other):
        return f"{one.record.cell}: scored by other metrics in {one.root} and {other.root}"
    if not _attributions_alike(one, other):
        return f"{one.record.cell}: other attributions in {one.root} and {other.root}"
    return ""


def _alike(one: Scores, other: Scores, name: str) -> bool:
    first, second = one.values[name], other.values[name]
    same = first.shape == second.shape
    return same and np.allclose(first, second, rtol=RELATIVE, atol=ABSOLUTE)


def _said(one: Result, other: Result, name: str) -> str:
    first, second = (result.record.scores.get(name, float("nan")) for result in (one, other))
    said = f"{name} {first:.6g} in {one.root} and {second:.6g} in {other.root}"
    apart = "" if abs(first - second) > RELATIVE else ", by other scores of single samples"
    return f"{one.record.cell}: {said}{apart}"


def _checksum(result: Result) -> str | None:
    info = result.record.files.get("attributions")
    return None if info is None else info.sha256


def _same_attributions(one: Result, other: Result) -> bool:
    scored = one.scores is not None and other.scores is not None
    return scored and _checksum(one) is not None and _checksum(one) == _checksum(other)


def _attributions_alike(one: Result, other: Result) -> bool:
    """Whether attributions are the same within rounding, where both stores have them."""
    stores = one.home.store, other.home.store
    if _same_attributions(one, other) or not all(isinstance(store, Store) for store in stores):
        return True
    first, second = (r.home.store.read_attributions(r.home.record) for r in (one, other))
    if first.shape != second.shape:
        return False
    return np.allclose(first, second, rtol=LEAST, atol=LEAST * float(np.abs(first).max(initial=0)))


def united(one: Result, other: Result) -> Result:
    """Return one result of a cell that two stores have with the same figures: the first, or the one
    that was explained, with the times and the metrics that only the other has.
    """
    if one.record.state != "ok" and other.record.state == "ok":
        one, other = other, one
    if _same_attributions(one, other):
        one = _with_metrics(one, other)
    return _with_times(one, other)


def _with_metrics(one: Result, other: Result) -> Result:
    """Return a result with the metrics of another one of the same attributions."""
    assert one.scores is not None
    assert other.scores is not None
    scored, more = one.record, other.record
    update = {
        "scores": {**more.scores, **scored.scores},
        "scored_by": {**more.scored_by, **scored.scored_by},
    }
    scores = replace(
        one.scores.joined(other.scores), versions={**other.scores.versions, **one.scores.versions}
    )
    return replace(one, record=scored.model_copy(update=update), scores=scores)


def _with_times(one: Result, other: Result) -> Result:
    """Return a result with the times of another one where it has none."""
    if one.record.timing is not None or other.record.timing is None:
        return one
    record, timed = one.record, other.record.timing
    hardware = timed.hardware or other.record.provenance.get("hardware")
    update = {"timing": timed.model_copy(update={"hardware": hardware}), "untimed": ""}
    if "timings" in other.record.files:
        update["files"] = record.files_with("timings", other.record.files["timings"])
    return replace(one, record=record.model_copy(update=update), timed=other.timed)
