"""Merging stores: the road from several stores to the results of one.

    read ──▶ told apart by what they explain ──▶ the same cells compared ──▶ written

Whatever does not fit is refused by name; what is left fits together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from aexbench.running.store import Scores


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
    _roles: dict[str, str] = field(default_factory=dict)
    _reports: dict[str, Mapping[str, Any]] = field(default_factory=dict)

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
        """Return a line where a result says otherwise than those before it what its explainer is,
        or what its anomalies and their samples are; else keep what it says.
        """
        record, cell = result.record, result.record.cell
        if self._roles.setdefault(cell.explainer.key, record.role) != record.role:
            return f"{cell}: {result.root} calls its explainer a {record.role}, which it is not"
        if result.scores is None:
            return ""
        if self._reports.setdefault(cell.anomaly_key, record.anomalies) != record.anomalies:
            return f"{cell}: {result.root} says other things of its anomalies"
        own = _samples(result.scores)
        known = self.sets.setdefault(cell.anomaly_key, own)
        if not all(np.array_equal(known[name], own[name]) for name in own):
            return f"{cell}: {result.root} knows other units, labels or alarms of its samples"
        return ""


def _samples(scores: Scores) -> Set:
    """Return what scores know of their samples."""
    return {"unit": scores.unit, "label": scores.label, ALARMED: scores.alarmed}


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
    _add_strata(merged)
    merged.plans = suites.united(sources, results)
    merged.notes += _unversioned(results)
    return merged


def _add_strata(merged: Merged) -> None:
    """Add what boards can be split by, of each anomaly set as its first store knows it."""
    sources = {source.root: source for source in merged.sources}
    for result in merged.results.values():
        if result.scores is not None:
            own = merged.sets[result.record.cell.anomaly_key]
            known = sources[result.root].strata(result)
            fitting = {name: part for name, part in known.items() if len(part) == len(own["unit"])}
            merged.sets[result.record.cell.anomaly_key] = fitting | own


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
