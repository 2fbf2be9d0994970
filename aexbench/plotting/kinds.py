"""The kinds of pictures of a store, by name, and the one road to each."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from aexbench.board import leaderboard as boards
from aexbench.board.leaderboard import Board
from aexbench.board.sections import Section
from aexbench.errors import RequestError, unknown
from aexbench.plotting import curves, groups, ledger, looks, pareto, ranks
from aexbench.plotting.choosing import Wanted
from aexbench.plotting.drawing import altair
from aexbench.plotting.looks import Look
from aexbench.running import titles
from aexbench.running.packed import AnyStore
from aexbench.running.store import Record

KINDS = ("curves", "groups", "pareto", "ranks", "ledger")
OF_BOARDS = {"groups": groups.chart, "pareto": pareto.chart, "ranks": ranks.chart}
UNUSED = {"ranks": ("only",), "pareto": ("only",), "ledger": ("metric", "section")}
"""What would change nothing in a kind of picture."""
BETWEEN = 40  # pixels between the charts of two sections


def plot(
    store: AnyStore,
    kind: str,
    wanted: Wanted | None = None,
    keys: Collection[str] | None = None,
    dark: bool = False,
) -> Any:
    """Return a chart of altair: one part for each kind of anomalies, which are never averaged.

    Parameters
    ----------
    store
        Where the records are. `curves` needs its attributions, `ledger` its detectors.
    kind
        `curves`: recall over m; `groups`: scores of groups by explainers; `pareto`: quality against
        time; `ranks`: means and the places that each may have; `ledger`: where the relevance goes.
    wanted
        What of it is drawn.
    keys
        Which cells; all that have a record, where it is left out.
    dark
        On a dark ground.

    Raises
    ------
    RequestError
        If the kind is unknown, or the store lacks what it takes.
    SkipError
        If altair is not installed: it says which extra brings it.
    """
    if kind not in KINDS:
        raise unknown("kind of plot", kind, KINDS)
    wanted, colours = wanted or Wanted(), looks.look(dark)
    for name in UNUSED.get(kind, ()):
        if getattr(wanted, name) is not None:
            raise RequestError(f"{kind} shows the same whatever {name} is: leave it out")
    if kind == "ledger":
        return looks.dressed(_ledger(store, wanted, keys, colours), colours)
    board = boards.leaderboard(store, wanted.metric, keys)
    found = [
        _of_section(kind, store, board, section, wanted, keys, colours)
        for section in wanted.sections(board.sections)
    ]
    whole = found[0] if len(found) == 1 else altair().vconcat(*found, spacing=BETWEEN)
    return looks.dressed(whole, colours)


def _of_section(
    kind: str,
    store: AnyStore,
    board: Board,
    section: Section,
    wanted: Wanted,
    keys: Collection[str] | None,
    colours: Look,
) -> Any:
    if kind != "curves":
        return OF_BOARDS[kind](board, section, wanted, colours)
    drawn = curves.panels(section, wanted)
    found = curves.curves(store, _records(store, keys), section, drawn)
    return curves.chart(board, section, wanted, colours, found)


def _ledger(store: AnyStore, wanted: Wanted, keys: Collection[str] | None, colours: Look) -> Any:
    records = _records(store, keys)
    name, found = ledger.books(store, records, wanted, titles.of(store, records))
    title = " + ".join(str(suite.get("name", "")) for suite, _ in store.plans())
    return ledger.chart(title or "ledger", name, found, colours)


def _records(store: AnyStore, keys: Collection[str] | None) -> list[Record]:
    """Return the records in the order of boards."""
    records, _ = store.records()
    return sorted((r for r in records if keys is None or r.cell.key in keys), key=boards.by_name)
