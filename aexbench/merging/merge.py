"""Merging stores: the road from several stores to the results of one.

    read ──▶ told apart by what they explain ──▶ the same cells compared ──▶ written

Whatever does not fit is refused by name; what is left fits together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from aexbench.contracts import ALARMED
from aexbench.errors import RequestError
from aexbench.merging import figures, lineages, reading, suites
from aexbench.merging.reading import Result, Set, Source
from aexbench.running.packed import Packed
from aexbench.running.scoring import MetricInfo

SAMPLES = ("unit", "label", ALARMED)


@dataclass
class Merged:
    """What comes of merging stores.

    Attributes
    ----------
    sources
        The stores, in the order in which they were named.
    results
        By the keys of their cells.
    sets
        What is known of the samples of each anomaly set, by its key.
    metrics
        What boards must know of the metrics, by name.
    plans
        Suites and the keys of their cells.
    refused
        A line for each result that does not fit.
    notes
        What a reader must know.
    """

    sources: Sequence[Source]
    results: dict[str, Result] = field(default_factory=dict)
    sets: dict[str, Set] = field(default_factory=dict)
    metrics: dict[str, MetricInfo] = field(default_factory=dict)
    plans: list[suites.Plan] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def packed(self) -> bool:
        """Whether some of the stores are packed: the merged one can hold no more than these."""
        return any(isinstance(source.store, Packed) for source in self.sources)

    def take(self, result: Result) -> None:
        """Add a result, or refuse it."""
        key = result.record.cell.key
        before = self.results.get(key)
        said = self._unlike(result) or (figures.difference(before, result) if before else "")
        if said:
            self.refused.append(said)
            return
        self.results[key] = figures.united(before, result) if before else result

    def _unlike(self, result: Result) -> str:
        """Return a line where a result knows its samples otherwise than those before it; else keep
        what it knows.
        """
        if result.scores is None:
            return ""
        own = {"unit": result.scores.unit, "label": result.scores.label}
        own[ALARMED] = result.scores.alarmed
        known = self.sets.setdefault(result.record.cell.anomaly_key, own)
        if not all(np.array_equal(known[name], own[name]) for name in SAMPLES):
            said = f"{result.root} knows other units, labels or alarms of its samples"
            return f"{result.record.cell}: {said}"
        return ""


def merge(roots: Sequence[Path]) -> Merged:
    """Return what comes of merging stores, folders or packed ones; nothing is written.

    Raises
    ------
    RequestError
        If one of them is no store, or their metrics are not the same.
    """
    if len({root.resolve() for root in roots}) < len(roots):
        raise RequestError("a store is named twice")
    sources = [reading.read(root) for root in roots]
    results, refused, notes = lineages.told_apart(sources)
    merged = Merged(sources, metrics=_metrics(results), notes=notes + reading.texts(sources))
    merged.refused += [line for source in sources for line in source.refused] + refused
    for result in results:
        merged.take(result)
    _add_strata(merged, results)
    merged.plans = suites.united(sources, results)
    merged.notes += _unversioned(results)
    return merged


def _add_strata(merged: Merged, results: Sequence[Result]) -> None:
    """Add what boards can be split by, of each anomaly set as its first store knows it."""
    sources = {source.root: source for source in merged.sources}
    for result in results:
        if result.scores is not None:
            own = merged.sets[result.record.cell.anomaly_key]
            merged.sets[result.record.cell.anomaly_key] = sources[result.root].known(result) | own


def _metrics(results: Sequence[Result]) -> dict[str, MetricInfo]:
    """Return what boards must know of the metrics; RequestError where two stores have scored by
    unlike ones of one name.
    """
    found: dict[str, tuple[Any, Result]] = {}
    versions: dict[str, tuple[str, Result]] = {}
    for result in results:
        for name, info in ({} if result.scores is None else result.scores.metrics).items():
            first = found.setdefault(name, (info, result))
            if _bare(first[0]) != _bare(info):
                raise _other(name, "of another kind", first[1], result)
        for name, version in result.record.scored_by.items():
            known, of = versions.setdefault(name, (version, result))
            if known != version:
                raise _other(name, f"of version {known} and {version}", of, result)
    return {name: info for name, (info, _) in found.items()}


def _bare(info: MetricInfo) -> MetricInfo:
    """Return what scores depend on."""
    return info.model_copy(update={"title": ""})


def _other(name: str, how: str, one: Result, other: Result) -> RequestError:
    return RequestError(
        f"{name} is {how} in {one.root} and {other.root}: derive the older scores again (aexbench "
        "score), and pack that store again"
    )


def _unversioned(results: Sequence[Result]) -> list[str]:
    """Return a line for each store that does not say by which versions its metrics are."""
    known = {name for result in results for name in result.record.scored_by}
    lacking = {
        result.root: None
        for result in results
        for name in result.record.scores
        if name in known and name not in result.record.scored_by
    }
    return [f"{root} does not say of which version its metrics are" for root in lacking]
