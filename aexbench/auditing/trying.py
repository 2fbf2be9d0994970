"""Trying explainers on kinds of anomalies, cheap ones first, within a budget.

First everything that costs next to nothing meets all kinds; then each candidate explains two and
twelve anomalies of one kind, which says what it costs; then those that the budget allows meet all
anomalies, dear ones the first twenty of each kind, and what does not fit either is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from aexbench.auditing.sizes import typical_sizes
from aexbench.components import Component, of_plugin
from aexbench.contracts import Dataset
from aexbench.declarations import kind_of
from aexbench.detector import Detector
from aexbench.explaining.choice import DEFAULT
from aexbench.results import Results
from aexbench.rows import moments
from aexbench.running import alarms, planning
from aexbench.running.cells import Cell
from aexbench.running.estimate import EXPLAINING
from aexbench.running.matrix import carry_out
from aexbench.running.references import LABELS

if TYPE_CHECKING:
    from aexbench.running.pool import Apart
    from aexbench.running.workspace import Workspace

COUNT = 100
"""Anomalies of a kind."""
FEW = 20
"""Those that dear explainers meet."""
LABELLED = 300
"""Labelled rows, drawn from the incidents in turn."""
PROBES = (2, 12)
"""Anomalies that say what an explainer costs."""
LEAST_ALARMS = 10
"""Fewer alarms beyond those that normal rows raise are no sample to borrow from."""
TWINS = 1
SETS = 2 + 2 * TWINS
"""How often each set is explained: on the detector, loss-ablated, and on both kinds of twins."""

Say = Callable[[str], None]


def silent(text: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Cost:
    """What an explainer takes: `start` seconds for a set, and `each` seconds for a sample of it."""

    start: float
    each: float

    @staticmethod
    def of(few: float, many: float) -> Cost:
        """Return the line through what the two probes took; what the first took longer than the
        second was for something that happens once, such as an import.
        """
        few = min(few, many)
        each = (many - few) / (PROBES[1] - PROBES[0])
        return Cost(max(few - PROBES[0] * each, 0.0), each)

    def seconds(self, counts: Sequence[int]) -> float:
        """Return what sets of so many samples take."""
        return len(counts) * self.start + sum(counts) * self.each


@dataclass(frozen=True)
class Shared:
    """Who meets all anomalies, who the first few, and why others meet none."""

    whole: Sequence[str]
    few: Sequence[str]
    left_out: Mapping[str, str]


def shared_out(costs: Mapping[str, Cost], kinds: int, budget: float, labelled: int = 0) -> Shared:
    """Return what the budget allows, in the order of what explainers cost.

    Parameters
    ----------
    costs
        By explainer.
    kinds
        How many kinds of injected anomalies each meets.
    budget
        Seconds for all of them.
    labelled
        How many labelled samples each meets, dear ones too.

    >>> costs = {"cheap": Cost(0, 0.001), "dear": Cost(0, 0.125), "dearest": Cost(0, 2.25)}
    >>> shared_out(costs, kinds=10, budget=120.0)
    Shared(whole=['cheap'], few=['dear'], left_out={'dearest': '20 anomalies of each kind would \
take 1800 s, and 16 s of the budget of 120 s are left'})
    """
    labels = [labelled] if labelled else []
    every, some = ((*[count] * kinds, *labels) * SETS for count in (COUNT, FEW))
    whole, few, left_out, spent = [], [], {}, 0.0
    for name in sorted(costs, key=lambda name: costs[name].seconds(every)):
        takes, least = costs[name].seconds(every), costs[name].seconds(some)
        if spent + takes <= budget:
            whole.append(name)
            spent += takes
        elif spent + least <= budget:
            few.append(name)
            spent += least
        else:
            left_out[name] = (
                f"{FEW} anomalies of each kind would take {least:.0f} s, and "
                f"{budget - spent:.0f} s of the budget of {budget:.0f} s are left"
            )
    return Shared(whole, few, left_out)


@dataclass
class Trying:
    """Walks the road for one detector on one data set.

    Attributes
    ----------
    rows, network
        What cells name the data set and the detector by.
    suite
        Which kinds of anomalies, explainers and metrics.
    budget
        Seconds for the explainers.
    own
        More explainers than the suite's.
    apart
        How cells run in processes of their own, if they do.
    """

    workspace: Workspace
    rows: Component
    network: Component
    dataset: Dataset
    detector: Detector
    suite: planning.Suite
    budget: float
    own: Sequence[Component] = ()
    apart: Apart | None = None
    quiet: bool = False
    say: Say = silent
    left_out: dict[str, str] = field(default_factory=dict, init=False)
    costs: dict[str, float] = field(default_factory=dict, init=False)
    runs: dict[int, list[Component]] = field(default_factory=dict, init=False)

    @cached_property
    def metrics(self) -> list[Component]:
        """The suite's."""
        return planning.metric_components(self.suite)

    @cached_property
    def kinds(self) -> list[Component]:
        """The corruptions. Those that borrow values from alarms change as many features as these
        are about, and are left out where there are few.
        """
        made = [planning.corruption(entry) for entry in self.suite.corruptions]
        seen = alarms.beyond_chance(self.detector, self.dataset)
        if len(seen) < LEAST_ALARMS:
            return [one for one in made if not _from_alarms(one)]
        sizes = typical_sizes(self.detector, seen, moments(self.dataset.train)[0])
        return [sized for one in made for sized in _of_sizes(one, sizes)]

    @cached_property
    def matched(self) -> list[Component]:
        """Those that are like the detector's alarms: their values come from some, or at least all
        from one other row.
        """
        from_alarms = [one for one in self.kinds if _from_alarms(one)]
        return from_alarms or [one for one in self.kinds if one.parameters.get("donor")]

    @cached_property
    def labels(self) -> Component | None:
        """The labelled rows of the later half, where some have a truth."""
        truth = self.dataset.test_truth
        if truth is None or not np.any(truth):
            return None
        return planning.corruption(f"{LABELS}[half=later,count={LABELLED}]")

    @cached_property
    def explainers(self) -> dict[str, Component]:
        """The candidates by their names with brackets."""
        named = [*map(planning.explainer, self.suite.explainers), *self.own]
        return {one.text: one for one in named}

    def tried(self) -> dict[str, list[Results]]:
        """Return what came of each kind, by its name with brackets."""
        kind = kind_of(tuple(self.dataset.train.shape[1:]))
        standing = [*planning.standing(kind), self.explainers[DEFAULT]]
        everything = [*self.kinds, *([self.labels] if self.labels else [])]
        self.say(f"making {len(everything)} kinds of anomalies")
        first = self.run(everything, COUNT, standing)
        shared = self._shared(first)
        whole, few = ([self.explainers[n] for n in part] for part in (shared.whole, shared.few))
        on_few = f"tried on {FEW} anomalies of each kind"
        self.left_out |= {**shared.left_out, **dict.fromkeys(shared.few, on_few)}
        self.runs = {COUNT: [*standing, *whole], **({FEW: [*standing, *few]} if few else {})}
        for count, named in self.runs.items():
            self.say(f"trying {len(named)} explainers on {count} anomalies of each kind")
            self._unfinished(self.run(everything, count, named))
        return {kind.text: self.of([kind]) for kind in everything}

    def of(self, kinds: Sequence[Component]) -> list[Results]:
        """Return what came of some kinds: of those that met all anomalies, and of those that met a
        few.
        """
        return [self.results(kinds, count, named) for count, named in self.runs.items()]

    def _found(self, first: Results) -> Component:
        """Return the kind that costs are measured on: the first that has enough anomalies."""
        found = {r.cell.corruption.key: r.anomalies.get("found", 0) for r in first.records}
        for one in self.kinds:
            if found.get(self.counted(one, COUNT).key, 0) >= PROBES[1]:
                return one
        return max(self.kinds, key=lambda one: found.get(self.counted(one, COUNT).key, 0))

    def _labelled(self, first: Results) -> int:
        """Return how many labelled samples there are to explain."""
        name = self.labels.text if self.labels else ""
        own = (record for record in first.records if record.cell.corruption.text == name)
        return max((int(record.anomalies.get("found", 0)) for record in own), default=0)

    def _shared(self, first: Results) -> Shared:
        """Return what the budget allows, by what two probes took; nothing is tried without one."""
        named = list(self.explainers.values())
        if self.budget == 0:
            others = [name for name in self.explainers if name != DEFAULT]
            return Shared([], [], dict.fromkeys(others, "the budget is 0 s"))
        kind, labelled = self._found(first), self._labelled(first)
        self.say(f"seeing what {len(named)} explainers cost")
        few = self._probed(kind, PROBES[0], named)
        many = self._probed(kind, PROBES[1], named, timed=True)
        rivals = few.keys() & many.keys() - {DEFAULT}  # which is tried in any case
        costs = {name: Cost.of(few[name], many[name]) for name in rivals}
        return shared_out(costs, len(self.kinds), self.budget, labelled)

    def _unfinished(self, results: Results) -> None:
        """Say who is left out of a kind, as one of its cells came to nothing."""
        for record in results.records:
            if record.role == "explainer" and record.state not in ("ok", "skipped"):
                name = record.cell.explainer.text
                why = f"{record.state} on {record.cell.corruption.text}: {record.reason}"
                self.left_out.setdefault(name, why)

    def _probed(
        self, kind: Component, count: int, named: Sequence[Component], timed: bool = False
    ) -> dict[str, float]:
        """Return the seconds that each explainer took for so many anomalies; what took all of the
        budget, or cannot explain, is left out.
        """
        results = self.run([kind], count, named, controls=False, timed=timed)
        found = {}
        for record in results.records:
            name = record.cell.explainer.text
            if record.state != "ok":
                self.left_out[name] = f"{record.state}: {record.reason}"
                continue
            found[name] = record.seconds.get(EXPLAINING, 0.0)
            if record.timing is not None and record.timing.latency_s is not None:
                self.costs[name] = record.timing.latency_s
        return found

    def run(
        self,
        kinds: Sequence[Component],
        count: int,
        named: Sequence[Component],
        controls: bool = True,
        timed: bool = False,
    ) -> Results:
        """Run what is not finished."""
        cells = self.cells(kinds, count, named, controls)
        plan = {"name": "audit", "metrics": list(self.suite.metrics), "notes": self.suite.notes}
        return carry_out(
            cells,
            self.metrics,
            self.workspace,
            plan,
            apart=self.apart,
            quiet=self.quiet,
            timed=timed,
        )

    def results(
        self, kinds: Sequence[Component], count: int, named: Sequence[Component]
    ) -> Results:
        """Return what has come of cells."""
        keys = [cell.key for cell in self.cells(kinds, count, named)]
        names = [metric.text for metric in self.metrics]
        return Results(self.workspace.store, keys, metrics=names)

    def cells(
        self,
        kinds: Sequence[Component],
        count: int,
        named: Iterable[Component],
        controls: bool = True,
    ) -> list[Cell]:
        """Return the cells of explainers on so many anomalies of some kinds."""
        explained = list(named)
        draws = [
            planning.Draw(self.rows, self.network, 0, self.counted(kind, count), 0)
            for kind in kinds
        ]
        found = (
            cell for draw in draws for cell in draw.cells(explained, TWINS if controls else None)
        )
        return list({cell.key: cell for cell in found}.values())

    def counted(self, kind: Component, count: int) -> Component:
        """Return a kind with so many anomalies; the first of many are those of few. Labels stay."""
        if kind.name == LABELS:
            return kind
        return of_plugin(kind.plugin, {**kind.arguments, "count": count})


def _from_alarms(kind: Component) -> bool:
    """Whether a kind borrows its values from alarms."""
    return bool(kind.parameters.get("donor") == "alarm")


def _of_sizes(kind: Component, sizes: Sequence[int]) -> list[Component]:
    """Return a kind once for each size, where it is one that borrows from alarms; else itself."""
    if not _from_alarms(kind) or "size" not in kind.arguments:
        return [kind]
    return [of_plugin(kind.plugin, {**kind.arguments, "size": size}) for size in sizes]
