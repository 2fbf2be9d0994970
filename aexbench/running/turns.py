"""Rounds of timing, one after the other, once nothing else of the run is at work."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aexbench.errors import tell
from aexbench.running import rounds
from aexbench.running.cells import Cell
from aexbench.running.claims import Claims
from aexbench.running.estimate import TIMING
from aexbench.running.pool import Runner
from aexbench.running.progress import Show
from aexbench.running.rounds import Round
from aexbench.running.sharing import LOOK_S
from aexbench.running.store import Store


@dataclass
class Turns:
    """Has rounds timed, and puts into the records what came of them. Coordinators of one store
    share the rounds; begins none once `stops` says so.
    """

    store: Store
    runner: Runner
    show: Show
    stops: Callable[[], bool]

    def __post_init__(self) -> None:
        """Claim nothing yet."""
        self.claims = Claims(self.store)

    def take(self, cells: Sequence[Cell], anew: bool = False) -> None:
        """Time the explainers of cells, or time them anew. What another coordinator times is
        waited for.
        """
        again = {cell.key for cell in cells} if anew else set()
        waiting, told = rounds.waiting(cells, self.store, again), False
        while waiting and not self.stops():
            mine = next((one for one in waiting if self._claimed(one)), None)
            if mine is not None:
                waiting.remove(mine)
                self._round(rounds.still(mine, self.store, again))
                continue
            if not told:
                tell(f"waiting for {len(waiting)} rounds of timing, at which another run is")
                told = True
            time.sleep(LOOK_S)
            self.show.beat()
            waiting = [one for one in waiting if rounds.still(one, self.store, again)]

    def _claimed(self, cells: Round) -> bool:
        return self.claims.take(f"timing-{cells[0].anomaly_key}", rounds.name(cells))

    def _round(self, cells: Round) -> None:
        for cell in cells:
            self.show.begin(cell, TIMING, len(cells))
        try:
            if cells:  # nobody was quicker
                self._timed(cells)
        finally:
            self.claims.release_all()
        for record in filter(None, (self.store.record(cell.key) for cell in cells)):
            self.show.end(record, TIMING)

    def _timed(self, cells: Round) -> None:
        """Time a round; where others work on this machine, its times say so."""
        others = self.claims.others()
        found = rounds.outcomes(cells, lambda some: self.runner.times(some, self._beat), self.stops)
        others = max(others, self.claims.others())
        for key, outcome in found.items():
            rounds.write(self.store, key, outcome.beside(others))

    def _beat(self) -> None:
        self.claims.beat(time.monotonic())
        self.show.beat()
