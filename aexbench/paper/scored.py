"""What a store has scored, by what stands for the rows of the paper: means, and differences with
their intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from aexbench import families
from aexbench.board.alike import CONTROLS
from aexbench.board.comparing import (
    Comparison,
    Estimate,
    Source,
    Target,
    compare,
    enough_units,
)
from aexbench.board.sections import CEILING, Ranking
from aexbench.board.table import Group, Key, Kind, Table, bare
from aexbench.components import Component, component
from aexbench.paper.published import CORRUPTIONS
from aexbench.running.store import Record

PLAIN = "none"  # no control


@dataclass(frozen=True, eq=False)
class Block:
    """One data set with its detector, and its groups by corruption or damage.

    Attributes
    ----------
    table
        All that the store has scored.
    kind
        What its groups have in common.
    name
        Of the table; `shown` is what people see.
    groups
        The names of groups, by what the paper calls them.
    """

    table: Table
    kind: Kind
    name: str
    shown: str
    groups: dict[str, str]

    @cached_property
    def records(self) -> list[Record]:
        """What the explainers on its board say on the detector itself."""
        found = (record for records in self.table.records.values() for record in records)
        return [record for record in found if self.table.block(record.cell) == self.name]

    @cached_property
    def explainers(self) -> dict[str, Component]:
        """Its rows."""
        made = (record.cell.explainer for record in self.records)
        return {self.table.text("explainer", one): one for one in made}

    @property
    def target(self) -> Target:
        """What can be said something of: the recipe, or one network where there is one alone."""
        seeds = {record.cell.detector_seed for record in self.records}
        return "network" if len(seeds) == 1 else self.kind.target

    def has(self, keys: Sequence[Key], metric: str, names: Sequence[str]) -> bool:
        """Whether rows are scored in all of these groups, at the same seeds."""
        groups = [self.groups[name] for name in names if name in self.groups]
        whole = len(groups) == len(names) > 0
        return whole and Ranking(self.table, self.kind, [metric]).shared(keys, groups) == groups

    def compared(self, keys: Sequence[Key], metric: str, names: Sequence[str]) -> Comparison:
        """Compare rows on some of the groups."""
        ranking = Ranking(self.table, self.kind, [metric])
        groups = [self.groups[name] for name in names]
        return compare(ranking.sources(keys, metric, groups), self.target)

    def level(self, key: Key, metric: str, name: str) -> Estimate:
        """Return the mean of a row in one group, as unsure as its units leave it."""
        return self._unsure([key], metric, [name], lambda found: found.row(0))

    def difference(self, keys: tuple[Key, Key], metric: str, names: Sequence[str]) -> Estimate:
        """Return one row minus another one, in the mean over groups, as unsure as units leave
        it.
        """
        return self._unsure(keys, metric, names, lambda found: found.pair(0, 1))

    def _unsure(
        self,
        keys: Sequence[Key],
        metric: str,
        names: Sequence[str],
        pick: Callable[[Comparison], Estimate],
    ) -> Estimate:
        """Return an estimate with the variance of its units, where that of seeds is less: a few
        seeds agree by chance. Nobody can know of a group of few units.
        """
        ranking = Ranking(self.table, self.kind, [metric])
        sources = ranking.sources(keys, metric, [self.groups[name] for name in names])
        found = pick(compare(sources, self.target))
        counts = (values.shape[1] for source in sources for values in source.values)
        if not all(map(enough_units, counts)):
            return replace(found, variance=np.nan)
        least = sum(_variance(source) for source in sources) / len(sources) ** 2
        return replace(found, variance=float(np.maximum(found.variance, least)))

    def mean(self, key: Key, metric: str, name: str) -> float | None:
        """Return the mean of a row in one group, if it has one there."""
        if not self.has([key], metric, [name]):
            return None
        return self.compared([key], metric, [name]).row(0).value

    def of(self, entries: Sequence[str]) -> str | None:
        """Return the row that stands for one of these entries, the first of them that is here."""
        for entry in entries:
            wanted = component(families.explainers, entry)
            for text, made in self.explainers.items():
                if same(made, wanted) or ("[" not in entry and made.name == entry):
                    return text
        return None

    def roles(self, role: str) -> list[str]:
        """Return the floors, or the references that know nothing."""
        rows = [name for name in self.explainers if name != CEILING]
        return [name for name in rows if self.table.records[name][0].role == role]

    def controls(self, name: str) -> dict[str, Key]:
        """Return the twins of a row and its loss-ablated form, by what people call them."""
        keys = {title: (name, control) for control, title in CONTROLS.items()}
        return {title: key for title, key in keys.items() if key in self.table.cells}


def _units(source: Source) -> NDArray[np.float64]:
    """Return the scores of all units of all seeds (K, n)."""
    return np.concatenate(list(source.values), axis=1)


def _variance(source: Source) -> float:
    """Return the variance of a mean over units, or of the difference of two: scores lie in [0, 1],
    and one unit more counts as off by 1, for units that all agree may do so by chance.
    """
    scores = _units(source)
    values = scores[0] - scores[1] if len(scores) > 1 else scores[0]
    count = len(values)
    return float((np.square(values - values.mean()).sum() + 1) / (count + 1) / count)


def same(made: Component, wanted: Component) -> bool:
    """Whether a component of a record is one that is named today: a parameter that only one of
    them has came later, and stands there as today's does here.
    """
    known = {**wanted.arguments, **wanted.parameters}
    alike = (known.get(name, own) == own for name, own in made.parameters.items())
    return made.name == wanted.name and all(alike)


def of_corruptions(table: Table) -> list[Block]:
    """Return the blocks that have some of the paper's corruptions, in the paper's order."""
    found = _blocks(table, "corruptions", lambda group: bare(group.corruption))
    for block in found:
        own = {name: block.groups[name] for name in CORRUPTIONS if name in block.groups}
        block.groups.clear()
        block.groups.update(own)
    return [block for block in found if block.groups]


def of_damages(table: Table) -> list[Block]:
    """Return the blocks that have labels, by damage."""
    return _blocks(table, "labels", lambda group: group.place.label)


def _blocks(table: Table, origin: str, called: Callable[[Group], str]) -> list[Block]:
    """Return blocks of groups of one origin, by what these are called."""
    found: dict[tuple[str, Kind], Block] = {}
    for name, group in table.groups.items():
        if group.kind.origin == origin:
            shown = " ".join(filter(None, group.place[:2]))
            block = Block(table, group.kind, group.block, shown, {})
            known = found.setdefault((group.block, group.kind), block)
            known.groups.setdefault(called(group), name)
    return list(found.values())
