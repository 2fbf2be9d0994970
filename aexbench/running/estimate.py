"""How long the rest of a run takes, from what its work has cost: in this run, or before.

Kinds of work are counted apart: a cell trains its detector and makes its anomalies only where no
other cell has, and an explainer is timed on the detector itself, not on controls. No clock stands
here: whoever asks says how long things took.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from aexbench.running.cells import GIVEN, Cell

EXPLAINING, TIMING = "explaining", "timing"
TRAINING, CORRUPTING, LOADING = "training", "corrupting", "loading"
LEAST_KNOWN = 0.5  # of what is to do: of less nobody can say how long it takes

Work = tuple[str, ...]
"""A kind of work and on what, from the general to the special."""
Job = tuple[str, str]
"""A kind of work and the key of what comes of it, which is made once."""
Running = tuple[str, Cell, float]
"""A kind of work, the cell that it is done for, and since how many seconds."""


def work(kind: str, cell: Cell) -> Work:
    """Return what a kind of work on a cell is like: what begins alike costs alike."""
    data = cell.dataset.text
    if kind == LOADING:
        return (kind, data)
    if kind == TRAINING:
        return (kind, data, cell.detector.text)
    if kind == CORRUPTING:
        return (kind, data, cell.corruption.text)
    on = "the detector" if cell.control == "none" else "a control"
    on = on if cell.probe is None else cell.probe.text
    return (kind, cell.explainer.text, on, data)


class Costs:
    """The mean seconds of work that begins alike."""

    def __init__(self) -> None:
        self._sums: defaultdict[Work, float] = defaultdict(float)
        self._counts: Counter[Work] = Counter()

    def add(self, cell: Cell, seconds: Mapping[str, float]) -> None:
        """Take note of what a cell took, by kinds of work."""
        for kind, took in seconds.items():
            what = work(kind, cell)
            for length in range(len(what) + 1):
                self._sums[what[:length]] += took
                self._counts[what[:length]] += 1

    def mean(self, what: Work) -> float | None:
        """Return the mean of all work that begins so; None where there was none."""
        return self._sums[what] / self._counts[what] if what in self._counts else None


class Estimate:
    """What is left of a run.

    Parameters
    ----------
    workers
        How many cells are worked on at once; they are timed one after the other.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self.before, self._now = Costs(), Costs()
        self._jobs: dict[Job, Work] = {}
        self._made: set[Job] = set()
        self._waiting: Counter[Work] = Counter()

    def expect(
        self,
        cells: Iterable[Cell],
        kind: str = EXPLAINING,
        there: Callable[[str, str], bool] = lambda kind, key: False,
    ) -> None:
        """Take note of cells that are to be worked on; `there` says whether what comes of a kind
        of work, a detector or an anomaly set, is there already under its key.
        """
        for cell in cells:
            for job in _jobs(kind, cell):
                if job not in self._jobs and job not in self._made and not there(*job):
                    self._jobs[job] = work(job[0], cell)
                    self._waiting[self._jobs[job]] += 1

    def done(self, cell: Cell, seconds: Mapping[str, float], kind: str = EXPLAINING) -> None:
        """Take note that work on a cell is done, and of what it took by kinds of work."""
        self._now.add(cell, seconds)
        for job in _jobs(kind, cell):
            self._made.add(job)
            if job in self._jobs:
                self._waiting[self._jobs.pop(job)] -= 1

    def left(self, running: Iterable[Running] = ()) -> float | None:
        """Return the seconds that are left while some work is running; None where too little is
        known.
        """
        waiting = +self._waiting
        unknown = sum(count for what, count in waiting.items() if not self._knows(what))
        if unknown > (1 - LEAST_KNOWN) * waiting.total():
            return None
        begun = list(self._begun(running, waiting))
        costs = {what: self._cost(what) for what in +waiting}
        each = [*begun, *((what[0], cost * waiting[what]) for what, cost in costs.items())]
        alone = sum(cost for kind, cost in each if kind == TIMING)
        at_once = sum(cost for kind, cost in each if kind != TIMING)
        longest = (cost for _, cost in begun)
        return max([at_once / self.workers + alone, *longest, *costs.values()])

    def _begun(
        self, running: Iterable[Running], waiting: Counter[Work]
    ) -> Iterator[tuple[str, float]]:
        """Yield of running cells the kind of work and the seconds that are left of it and of all
        that is made for it; none of that waits any more.
        """
        taken = set[Job]()
        for kind, cell, since in running:
            jobs = {job for job in _jobs(kind, cell) if job in self._jobs} - taken
            taken |= jobs
            waiting.subtract(self._jobs[job] for job in jobs)
            cost = sum(self._cost(self._jobs[job]) for job in jobs)
            yield kind, max(0.0, cost - since)

    def _cost(self, what: Work) -> float:
        """Return what work costs: the mean of what is most like it, of this run first."""
        for length in range(len(what), -1, -1):
            for costs in (self._now, self.before):
                if (mean := costs.mean(what[:length])) is not None:
                    return mean
        return 0.0

    def _knows(self, what: Work) -> bool:
        """Whether more is known of a work's cost than that of its kind."""
        return any(costs.mean(what[:2]) is not None for costs in (self._now, self.before))


def _jobs(kind: str, cell: Cell) -> list[Job]:
    """Return what is to be made for a cell, if nobody has; a given detector is there, and all that
    a cell needs once it is timed.
    """
    if kind == TIMING:
        return [(kind, cell.key)]
    trained = [] if cell.detector.name == GIVEN else [(TRAINING, cell.detector_key)]
    return [*trained, (CORRUPTING, cell.anomaly_key), (kind, cell.key)]


def in_words(seconds: float) -> str:
    """Return a time as people say it.

    >>> [in_words(seconds) for seconds in (0.02, 0.25, 40, 300, 8100)]
    ['20 ms', '0.2 s', '40 s', '5 min', '2 h 15 min']
    """
    if seconds < 0.1:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 1:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
