"""Lineages: which results explain the same anomalies of the same weights.

Names of weights and anomalies come from their recipes, and two machines that train by one recipe
get other weights. What explains other weights is another group. So the results of each data set
with its detector are put into lineages: those that agree in the checksums of all weights and
anomalies that both have. Where there is one lineage nothing changes; where there are several, their
cells bear a short mark of what they explain, and no longer the same keys.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Literal

from aexbench.digests import value_digest
from aexbench.merging.reading import Result, Source

Block = tuple[str, str]  # the keys of a data set and of a detector
Word = Literal["", "weights", "anomalies"]
DIGITS = 6


@dataclass
class Lineage:
    """The checksums of weights and of anomalies by their names, the results that explain them, and
    the stores that these are from.
    """

    name: str
    weights: dict[str, str] = field(default_factory=dict)
    anomalies: dict[str, str] = field(default_factory=dict)
    results: list[tuple[int, Result]] = field(default_factory=list)  # with the place of a store
    roots: dict[Path, None] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def take(self, place: int, result: Result) -> None:
        """Take a result of a store in, or refuse one that explains what no other of it does."""
        cell = result.record.cell.of("")
        own = [
            (self.weights, cell.detector_key, result.weights),
            (self.anomalies, cell.anomaly_key, result.anomalies),
        ]
        if any(known.get(key, found) != found for known, key, found in own if found):
            said = f"explains other weights or anomalies than others of {result.root}"
            self.refused.append(f"{result.record.cell}: {said}")
            return
        for known, key, found in own:
            if found:
                known[key] = found
        self.results.append((place, result))
        self.roots[result.root] = None

    def differs(self, other: Lineage) -> Word:
        """Return in what both do not agree, if they do not."""
        if _differ(self.weights, other.weights):
            return "weights"
        return "anomalies" if _differ(self.anomalies, other.anomalies) else ""

    def shared(self, other: Lineage) -> int:
        """Return how many anomaly sets both explain."""
        return len(self.anomalies.keys() & other.anomalies.keys())

    def join(self, other: Lineage) -> None:
        """Take in one that agrees."""
        self.weights |= other.weights
        self.anomalies |= other.anomalies
        self.results += other.results
        self.roots |= other.roots

    @property
    def digest(self) -> str:
        """A short mark of what is explained."""
        checksums = sorted([*self.weights.values(), *self.anomalies.values()])
        return value_digest(checksums)[:DIGITS]


def _differ(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return any(one[key] != other[key] for key in one.keys() & other.keys())


def told_apart(sources: Sequence[Source]) -> tuple[list[Result], list[str], list[str]]:
    """Return the results of stores under keys that tell lineages apart, in the order of the stores;
    what is refused; and a line for each data set that has several lineages.
    """
    results, refused, notes = [], [], []
    for parts in _parts(sources).values():
        refused += [line for part in parts for line in part.refused]
        lineages = _joined(parts)
        word = _word(lineages)
        if word:
            notes.append(_note(lineages, word))
        for one in lineages:
            mark = f"{word} {one.digest}" if word else ""
            results += [(place, _renamed(result, mark)) for place, result in one.results]
    results.sort(key=lambda pair: pair[0])
    return [result for _, result in results], refused, notes


def _parts(sources: Sequence[Source]) -> dict[Block, list[Lineage]]:
    """Return what each store has of each data set with its detector; a merged store may have
    several lineages of it.
    """
    found: dict[Block, dict[tuple[int, str], Lineage]] = defaultdict(dict)
    for place, source in enumerate(sources):
        for result in source.results:
            cell = result.record.cell
            own = found[cell.dataset.key, cell.detector.key]
            key = (place, cell.lineage)
            own.setdefault(key, Lineage(cell.dataset.text)).take(place, result)
    return {block: list(own.values()) for block, own in found.items()}


def _joined(parts: Sequence[Lineage]) -> list[Lineage]:
    """Return the lineages of parts: each joins the one that it shares most with and agrees with."""
    found: list[Lineage] = []
    for part in parts:
        fitting = [one for one in found if not one.differs(part)]
        if fitting:
            max(fitting, key=part.shared).join(part)
        else:
            found.append(part)
    return found


def _word(lineages: Sequence[Lineage]) -> Word:
    """Return in what lineages differ: weights if some do."""
    words = {one.differs(other) for one, other in combinations(lineages, 2)}
    return "weights" if "weights" in words else "anomalies" if words else ""


def _renamed(result: Result, mark: str) -> Result:
    cell = result.record.cell.of(mark)
    return replace(result, record=result.record.model_copy(update={"cell": cell}))


def _note(lineages: Sequence[Lineage], word: Word) -> str:
    own = (f"{word} {one.digest} in {', '.join(map(str, one.roots))}" for one in lineages)
    return f"{lineages[0].name}: other {word} of one recipe, shown apart: {'; '.join(own)}"
