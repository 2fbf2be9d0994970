"""What a store has scored, by what stands for the rows of the paper: means, and differences with
their intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from aexbench import families
from aexbench.board.alike import CONTROLS
from aexbench.board.comparing import Comparison, Target, compare
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


def same(made: Component, wanted: Component) -> bool:
    """Whether a component of a record is one that is named today: parameters that only one of them
    has may have come later.
    """
    shared = made.parameters.keys() & wanted.parameters.keys()
    return made.name == wanted.name and all(
        made.parameters[name] == wanted.parameters[name] for name in shared
    )


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
