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

from aexbench.auditing.evidence import DEFAULT
from aexbench.auditing.sizes import typical_sizes
from aexbench.components import Component, of_plugin
from aexbench.contracts import Dataset
from aexbench.detector import Detector
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
"""Anomalies of a kind, and labelled rows."""
FEW = 20
"""Those that dear explainers meet."""
PROBES = (2, 12)
"""Anomalies that say what an explainer costs."""
LEAST_ALARMS = 10
"""Fewer rows that raise an alarm are no sample to borrow from."""
TWINS = 1

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
        """Return the line through what the two probes took."""
        each = max((many - few) / (PROBES[1] - PROBES[0]), 0.0)
        return Cost(max(few - PROBES[0] * each, 0.0), each)

    def seconds(self, count: int, sets: int) -> float:
        """Return what so many sets of so many samples take."""
        return sets * (self.start + count * self.each)


@dataclass(frozen=True)
class Shared:
    """Who meets all anomalies, who the first few, and why others meet none."""

    whole: Sequence[str]
    few: Sequence[str]
    left_out: Mapping[str, str]


def shared_out(costs: Mapping[str, Cost], sets: int, budget: float) -> Shared:
    """Return what the budget allows, in the order of what explainers cost.

    Parameters
    ----------
    costs
        By explainer.
    sets
        How many sets each explains: kinds, on the detector and its controls.
    budget
        Seconds for all of them.

    >>> costs = {"cheap": Cost(0, 0.001), "dear": Cost(0, 0.5), "dearest": Cost(0, 9)}
    >>> shared_out(costs, sets=10, budget=120.0)
    Shared(whole=['cheap'], few=['dear'], left_out={'dearest': '20 anomalies of each kind would \
take 1800 s, and 19 s of the budget of 120 s are left'})
    """
    whole, few, left_out, spent = [], [], {}, 0.0
    for name in sorted(costs, key=lambda name: costs[name].seconds(COUNT, sets)):
        all_of_them, some = (costs[name].seconds(count, sets) for count in (COUNT, FEW))
        if spent + all_of_them <= budget:
            whole.append(name)
            spent += all_of_them
        elif spent + some <= budget:
            few.append(name)
            spent += some
        else:
            left_out[name] = (
                f"{FEW} anomalies of each kind would take {some:.0f} s, and {budget - spent:.0f} s "
                f"of the budget of {budget:.0f} s are left"
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
    left_out: dict[str, str] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)
    runs: dict[int, list[Component]] = field(default_factory=dict)

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
        seen = alarms.seen(self.detector, self.dataset)
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
        if truth is None or not truth.any():
            return None
        return planning.corruption(f"{LABELS}[half=later]")

    @cached_property
    def explainers(self) -> dict[str, Component]:
        """The candidates by their names with brackets."""
        named = [*map(planning.explainer, self.suite.explainers), *self.own]
        return {one.text: one for one in named}

    def tried(self) -> dict[str, list[Results]]:
        """Return what came of each kind, by its name with brackets."""
        standing = [*planning.standing(False), self.explainers[DEFAULT]]
        everything = [*self.kinds, *([self.labels] if self.labels else [])]
        self.say(f"making {len(everything)} kinds of anomalies")
        shared = self._shared(self._found(self.run(everything, COUNT, standing)))
        whole, few = ([self.explainers[n] for n in part] for part in (shared.whole, shared.few))
        on_few = f"tried on {FEW} anomalies of each kind"
        self.left_out |= {**shared.left_out, **dict.fromkeys(shared.few, on_few)}
        self.runs = {COUNT: [*standing, *whole], **({FEW: [*standing, *few]} if few else {})}
        for count, named in self.runs.items():
            self.say(f"trying {len(named)} explainers on {count} anomalies of each kind")
            self.run(everything, count, named)
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

    def _shared(self, kind: Component) -> Shared:
        """Return what the budget allows, by what two probes took."""
        named = list(self.explainers.values())
        self.say(f"seeing what {len(named)} explainers cost")
        few = self._probed(kind, PROBES[0], named)
        many = self._probed(kind, PROBES[1], named, timed=True)
        rivals = few.keys() & many.keys() - {DEFAULT}  # which is tried in any case
        costs = {name: Cost.of(few[name], many[name]) for name in rivals}
        sets = (len(self.kinds) + (self.labels is not None)) * (2 + 2 * TWINS)
        return shared_out(costs, sets, self.budget)

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
        """Return a kind with so many anomalies: of a corruption, the first of many are those of
        few; of labels, rows are drawn from the incidents in turn.
        """
        return of_plugin(kind.plugin, {**kind.arguments, "count": count})


def _from_alarms(kind: Component) -> bool:
    """Whether a kind borrows its values from alarms."""
    return bool(kind.parameters.get("donor") == "alarm")


def _of_sizes(kind: Component, sizes: Sequence[int]) -> list[Component]:
    """Return a kind once for each size, where it is one that borrows from alarms; else itself."""
    if not _from_alarms(kind) or "size" not in kind.arguments:
        return [kind]
    return [of_plugin(kind.plugin, {**kind.arguments, "size": size}) for size in sizes]
