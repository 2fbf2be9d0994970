"""Results: what came of a run, or what lies in a store; as a table, as a board, as raw arrays."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aexbench import summaries
from aexbench.errors import RequestError, plain
from aexbench.garbage import uncollected
from aexbench.running.cells import Cell
from aexbench.running.packed import AnyStore, open_store
from aexbench.running.store import Record
from aexbench.showing import items
from aexbench.texts import counted
from aexbench.waiting import waiting

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from aexbench.board.leaderboard import Board
    from aexbench.contracts import AnomalySet


class Results:
    """The results of cells in a store.

    Parameters
    ----------
    store
        Where the records are.
    keys
        Which cells; all that its suites ask for, or all there are, where it is left out.
    metrics
        The names of what the cells are scored by; those of the records, where it is left out.
    ran
        How many of them have been run just now.
    keep
        What must live as long as the results, such as a temporary folder.
    """

    def __init__(
        self,
        store: AnyStore,
        keys: Collection[str] | None = None,
        *,
        metrics: Sequence[str] = (),
        ran: int = 0,
        keep: object = None,
    ) -> None:
        self.store, self.ran, self._metrics, self._keep = store, ran, metrics, keep
        self.keys = list(keys if keys is not None else store.planned() or store.keys())

    @cached_property
    def records(self) -> list[Record]:
        """The records of the cells that have one, in the order of the plan."""
        with waiting(f"reading {counted(len(self), 'record')}"), uncollected():
            found = [self.store.record(key) for key in self.keys]
        return [record for record in found if record is not None]

    @property
    def cells(self) -> list[Cell]:
        """The cells that have a record."""
        return [record.cell for record in self.records]

    @property
    def complete(self) -> bool:
        """Whether every cell is ok, or a floor that has nothing to say of these data: no season."""
        return sum(_settled(record) for record in self.records) == len(self.keys)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row per cell and metric: what the cell is, its score, state, times and measures.

        `score` is not a number where the cell is not ok, and `reason` says why. `control` is `none`
        on the detector itself, and else names the control.
        """
        import pandas as pd

        rows = (row for r in self.records for row in _rows(r, self._metrics_of(r)))
        return pd.DataFrame(list(rows))

    def _metrics_of(self, record: Record) -> list[str]:
        """Return the names of the metrics that score a record: its probe's, or all that ask
        nothing.
        """
        if record.cell.probe is not None:
            return [record.cell.probe.text]
        return [name for name in self.metrics if name not in self._probes]

    @cached_property
    def _probes(self) -> set[str]:
        """The names of the metrics that ask the model."""
        return {r.cell.probe.text for r in self.records if r.cell.probe is not None}

    @cached_property
    def metrics(self) -> list[str]:
        """The names of the metrics."""
        scored = (name for record in self.records for name in record.scores)
        return list(dict.fromkeys([*self._metrics, *scored]))

    def board(self, metric: str | None = None, by: str | None = None) -> Board:
        """Return the leaderboard: ranks, floors, gains.

        Parameters
        ----------
        metric
            What ranks; the suite's first where it is left out.
        by
            Splits the groups: `alarm`, `gain`, `deviation` or `feature`.
        """
        from aexbench.board.leaderboard import leaderboard

        with waiting(f"ranking {counted(len(self), 'cell')}"):
            return leaderboard(self.store, metric or self._first, set(self.keys), by)

    def plot(
        self,
        kind: str,
        metric: str | None = None,
        *,
        section: str | None = None,
        explainers: Sequence[str] = (),
        only: str | None = None,
        dark: bool = False,
    ) -> Any:
        """Return a chart of altair, which a notebook shows: one part for each section of the board.

        Parameters
        ----------
        kind
            `curves` (recall over m), `groups`, `pareto` (quality against time), `ranks`, `ledger`
            (where the relevance goes, layer by layer).
        metric
            As a board has it.
        section
            A part of the headings of sections: `labels`.
        explainers
            These alone, beside floors; all, where none is named.
        only
            A part of the names of groups.
        dark
            On a dark ground.

        Raises
        ------
        RequestError
            If a name is unknown, or the store lacks what the kind takes.
        SkipError
            If altair is not installed: `pip install 'aexbench[plots]'`.
        """
        from aexbench.plotting import kinds
        from aexbench.plotting.choosing import Wanted

        asked = metric if "metric" in kinds.UNUSED.get(kind, ()) else metric or self._first
        wanted = Wanted(asked, section, tuple(explainers), only)
        return kinds.plot(self.store, kind, wanted, set(self.keys), dark)

    def attributions(self, cell: Cell | str) -> NDArray[Any]:
        """Return what a cell's explainer has answered (N, …), raw; a cell or its key."""
        record = self._record(cell)
        if record.state != "ok":
            raise RequestError(f"{record.cell} is {record.state}: {record.reason}")
        return self.store.read_attributions(record)

    def anomalies(self, cell: Cell | str) -> AnomalySet:
        """Return what a cell's explainer has explained, with the truth; a cell or its key."""
        return self.store.anomalies_of(self._record(cell))

    def scores(self, cell: Cell | str) -> dict[str, NDArray[np.float64]]:
        """Return a cell's scores, one value per sample (N,) for each metric; a cell or its key."""
        return self.store.read_scores(self._record(cell)).values

    @property
    def _first(self) -> str | None:
        """The first of the metrics that were asked for, if something is scored by it."""
        scored = {name for record in self.records for name in record.scores}
        return next((name for name in self._metrics if name in scored), None)

    def _record(self, cell: Cell | str) -> Record:
        key = cell if isinstance(cell, str) else cell.key
        record = self.store.record(key)
        if record is None:
            raise RequestError(f"there is no cell {key} in {self.store.root}")
        return record

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, item: Any) -> Any:
        """Return what the frame has under `item`: a column, or rows by a mask."""
        return self.frame[item]

    def __getattr__(self, name: str) -> Any:
        """Return a column of the frame."""
        if name.startswith("_") or name not in self.frame:
            raise AttributeError(f"Results have no attribute {name!r}")
        return self.frame[name]

    def __str__(self) -> str:
        """The board as a terminal shows it, and what cells there are."""
        try:
            return f"{self.board()}\n{self!r}"
        except RequestError as error:  # that says what is wrong, and a text does not raise it
            return f"{self!r}\n{error}"

    def __repr__(self) -> str:
        return summaries.of_results(self, self._where).text()

    def _repr_html_(self) -> str:
        """What cells there are, and the board unless it takes long."""
        shown = summaries.of_results(self, self._where).html()
        if len(self) > summaries.MOST_CELLS:
            return shown
        try:
            return shown + self.board()._repr_html_()
        except RequestError as error:
            return shown + items([str(error)])

    @property
    def _where(self) -> str:
        return "a temporary folder" if self._keep else self.store.root.name


def open(store: str | Path) -> Results:
    """Return the results in a store, a folder as `aexbench run` writes it or a packed one."""
    opened = open_store(Path(store))
    for complaint in opened.records()[1]:
        warnings.warn(plain(complaint), stacklevel=2)
    return Results(opened)


def _settled(record: Record) -> bool:
    return record.state == "ok" or (record.role, record.state) == ("floor", "skipped")


def _rows(record: Record, metrics: list[str]) -> Iterator[dict[str, Any]]:
    """Yield a row for each metric; what was not scored has none, and still a row."""
    cell = record.cell
    place = {
        "dataset": cell.dataset.text,
        "detector": cell.detector.text,
        "corruption": cell.corruption.text,
        "explainer": cell.explainer.text,
        "role": record.role,
        "seed": cell.anomaly_seed,
        "control": cell.control,
        "control_seed": cell.control_seed,
    }
    times = {} if record.timing is None else record.timing.model_dump()
    outcome = {
        "samples": record.anomalies.get("found", 0),
        "state": record.state,
        "reason": record.reason,
        **times,
        **record.measures,
        "cell": cell.key,
    }
    for name in metrics or [""]:
        yield {**place, "metric": name, "score": record.scores.get(name, float("nan")), **outcome}
