"""Which cell is next: sources are kept together, nothing is made twice at once, and coordinators
that work on one store share what is left.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Iterator, Sequence

from aexbench.errors import tell
from aexbench.running.cells import Cell
from aexbench.running.claims import Claims
from aexbench.running.store import Record, Store

LOOK_S = 1.0  # between two looks at what others have claimed
MOST_NAMED = 5


class Queue:
    """Cells that wait, by their anomaly set: nothing is trained or corrupted twice at once."""

    def __init__(self, cells: Sequence[Cell], made: Iterable[str] = ()) -> None:
        self.waiting: OrderedDict[str, deque[Cell]] = OrderedDict()
        self.made = set(made)  # keys of detectors and anomaly sets that are there
        self.making: dict[str, int] = {}  # of those that a worker makes
        self.add(cells)

    def add(self, cells: Sequence[Cell]) -> None:
        """Let cells wait."""
        for cell in cells:
            self.waiting.setdefault(cell.anomaly_key, deque()).append(cell)

    def take(self, worker: int, last: Cell | None) -> Cell | None:
        """Return the next cell for a worker, of its last sources if it can be; None where all that
        wait need what others are making.
        """
        for key in (*self._warm(last), *self.waiting):
            if key in self.waiting and self._free(self.waiting[key][0], worker):
                return self._taken(key, worker)
        return None

    def _warm(self, last: Cell | None) -> list[str]:
        """Return the anomaly sets that a worker has ready, or whose detector it has."""
        if last is None:
            return []
        waiting = self.waiting.items()
        same = [key for key, cells in waiting if cells[0].detector_key == last.detector_key]
        return [last.anomaly_key, *same]

    def done(self, cell: Cell) -> None:
        """Take note that a cell's detector and anomaly set are there, or cannot be."""
        for key in (cell.detector_key, cell.anomaly_key):
            self.making.pop(key, None)
            self.made.add(key)

    def _free(self, cell: Cell, worker: int) -> bool:
        keys = (cell.detector_key, cell.anomaly_key)
        return all(key in self.made or self.making.get(key, worker) == worker for key in keys)

    def _taken(self, key: str, worker: int) -> Cell:
        cell = self.waiting[key].popleft()
        if not self.waiting[key]:
            del self.waiting[key]
        for needed in {cell.detector_key, cell.anomaly_key} - self.made:
            self.making[needed] = worker
        return cell

    def back(self, cell: Cell) -> None:
        """Take note that a worker does not work on a cell that it has taken."""
        for key in (cell.detector_key, cell.anomaly_key):
            self.making.pop(key, None)


class Shared:
    """The cells of one coordinator, of which others may work on some; those whose keys are in
    `again` are run although they have a record.
    """

    def __init__(
        self, cells: Sequence[Cell], store: Store, again: Collection[str] = frozenset()
    ) -> None:
        self.store, self.claims = store, Claims(store)
        self.queue, self.elsewhere = Queue(cells, _made(cells, store)), list[Cell]()
        self._again, self._told = again, False
        self._theirs: list[Record] = []
        self._looked = 0.0
        begun = self.claims.begun(cells)
        for cell in begun[:MOST_NAMED]:
            tell(f"begun before and never ended: {cell}")
        if len(begun) > MOST_NAMED:
            tell(f"and {len(begun) - MOST_NAMED} more")

    @property
    def waits(self) -> bool:
        """Whether a cell has no record yet that is not in work here."""
        return bool(self.queue.waiting or self.elsewhere)

    def take(self, worker: int, last: Cell | None) -> Cell | None:
        """Return the next cell for a worker, claimed; None where there is none for it now."""
        self._look()
        while (cell := self.queue.take(worker, last)) is not None:
            record = None if cell.key in self._again else self.store.finished(cell)
            if record is not None:
                self.queue.done(cell)
                self._theirs.append(record)
            elif self.claims.take(cell.key, str(cell)):
                return cell
            else:
                self.queue.back(cell)
                self.elsewhere.append(cell)
        return None

    def done(self, cell: Cell) -> None:
        """Take note that a cell has its record."""
        self.queue.done(cell)
        self.claims.release(cell.key)

    def again(self, cell: Cell) -> None:
        """Let a cell wait again, whose worker is lost."""
        self.queue.back(cell)
        self.queue.add([cell])
        self.claims.release(cell.key)

    def by_others(self) -> Iterator[Record]:
        """Yield the records of cells that others have finished since."""
        while self._theirs:
            yield self._theirs.pop()

    def beat(self) -> None:
        """Let others see that the claims hold."""
        self.claims.beat(time.monotonic())

    def give_up(self) -> None:
        """Let others have what is not done."""
        self.claims.release_all()

    def _look(self) -> None:
        """Look again at what others had claimed, once nothing else is left."""
        if self.elsewhere and not self.queue.waiting and time.monotonic() - self._looked > LOOK_S:
            self._looked = time.monotonic()
            if not self._told:
                tell(f"waiting for {len(self.elsewhere)} cells that another run works on")
                self._told = True
            cells, self.elsewhere = self.elsewhere, []
            self.queue.add(cells)


def _made(cells: Iterable[Cell], store: Store) -> Iterator[str]:
    """Yield the keys of the detectors and anomaly sets of cells that are in the store."""
    sources = {("detectors", cell.detector_key) for cell in cells}
    sources |= {("anomalies", cell.anomaly_key) for cell in cells}
    yield from (key for folder, key in sources if store.path(folder, key).exists())
