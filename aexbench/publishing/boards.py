"""A store's board as a page shows it: what an order is worth first, then who is where in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from aexbench.board import cards, predicted, wording, worth
from aexbench.board.leaderboard import Board
from aexbench.board.sections import Row, Section
from aexbench.publishing import charts, figures, floors, groups, runs
from aexbench.publishing.floors import Level
from aexbench.publishing.grids import Cell, Column, Grid, Line, plain_grid
from aexbench.publishing.links import Links
from aexbench.publishing.reading import Reading
from aexbench.publishing.runs import Run


@dataclass(frozen=True)
class Part:
    """One section of a board.

    Attributes
    ----------
    title, slug
        Its heading, and its name in links.
    worth
        What its order has been seen to predict, in words.
    main, groups
        Its tables; no second one where it would have too many columns.
    ranks, pareto
        Its pictures, or why there is none.
    said
        What else must be known of it.
    levels, worked
        What scores stand beside, and two rows read aloud.
    """

    title: str
    slug: str
    worth: Sequence[str]
    main: Grid
    groups: Grid | None
    ranks: Markup | str
    pareto: Markup | str
    said: Sequence[str]
    levels: Sequence[Level]
    worked: Sequence[str]


@dataclass(frozen=True)
class Shown:
    """What pages show of one store's board; `path` is the page on how to read it."""

    name: str
    slug: str
    path: str
    about: Sequence[str]
    parts: Sequence[Part]
    cards: Sequence[tuple[Grid, Sequence[str]]]
    costs: Grid | None
    detectors: Grid
    controls: Sequence[tuple[str, str]]
    notes: Sequence[str]
    run: Run
    metrics: Sequence[str]


def board(reading: Reading, links: Links) -> Shown:
    """Return what pages show of a store's board."""
    own, slug = reading.board, reading.slug
    sections = enumerate(own.sections, start=1)
    return Shown(
        name=reading.name,
        slug=slug,
        path=links.boards[slug],
        about=[str(suite["description"]) for suite in reading.suites if suite.get("description")],
        parts=[_part(section, f"{slug}-{n}", own, links) for n, section in sections],
        cards=list(_cards(own)),
        costs=costs(own, links),
        detectors=detectors(own, links),
        controls=floors.controls(reading.records),
        notes=own.notes,
        run=runs.run(reading),
        metrics=list(own.metrics.values()),
    )


def _part(section: Section, slug: str, board: Board, links: Links) -> Part:
    worth = list(predicted.said(section, board)) if _injected(section) else []
    few = len(section.rows) <= groups.MOST_COLUMNS
    return Part(
        title=wording.title(section),
        slug=slug,
        worth=worth,
        main=main(section, board, links),
        groups=groups.grid(section, board, links) if few else None,
        ranks=charts.inline("ranks", board, section, f"{slug}-ranks"),
        pareto=charts.inline("pareto", board, section, f"{slug}-pareto"),
        said=[line for line in wording.lines(section, board) if line not in worth],
        levels=floors.levels(section),
        worked=list(floors.worked(section)),
    )


def _injected(section: Section) -> bool:
    return section.kind.origin == "corruptions"


def main(section: Section, board: Board, links: Links) -> Grid:
    """Return the table of a section's rows, in the order of the board."""
    better = "higher" if section.higher else "lower"
    caption = f"{wording.title(section)}, ranked by {board.metrics[section.metric]}: {better} is "
    metrics = [Column(title) for title in board.metrics.values()]
    columns = [Column("explainer", words=True), Column("#"), *metrics, Column("one sample")]
    columns += [Column("best floor", words=True), Column("gain"), Column("above", words=True)]
    lines = [_line(row, section, board, links) for row in section.rows]
    return Grid(f"{caption}better", columns, lines)


def _line(row: Row, section: Section, board: Board, links: Links) -> Line:
    scores = [figures.score(row.scores.get(m), m == section.metric) for m in board.metrics]
    cells = [
        Cell(row.named, link=links.explainers.get(row.explainer, "")),
        figures.rank(row.rank),
        *scores,
        figures.seconds(row.latency_s, row.latency_spread),
        figures.floor(row, section),
        figures.gain(row.gain, section),
        figures.above(row),
    ]
    return Line(cells, explainer=row.named)


def _cards(board: Board) -> Iterator[tuple[Grid, Sequence[str]]]:
    """Yield the validity cards by what ranks, each with its notes."""
    for card in board.cards:
        if card.metric == board.primary:
            grid = plain_grid(cards.title(card), cards.HEADERS, cards.lines(card))
            yield grid, list(cards.notes(card))


def costs(board: Board, links: Links) -> Grid | None:
    """Return what an explanation costs; None where nothing was timed."""
    rows = {row.explainer: row for section in board.sections for row in section.rows}
    timed = [row for row in rows.values() if row.latency_s is not None]
    if not timed:
        return None
    machines = {row.hardware for row in timed}
    columns = [Column(worth.COSTS[0], words=True), *map(Column, worth.COSTS[1:])]
    if len(machines) == 1:
        lines = [Line(_costs(row, links), explainer=row.named) for row in timed]
        return Grid(f"What an explanation costs on {machines.pop()}", columns, lines)
    lines = [Line([*_costs(r, links), Cell(r.hardware)], explainer=r.named) for r in timed]
    return Grid("What an explanation costs", [*columns, Column("on", words=True)], lines)


def _costs(row: Row, links: Links) -> list[Cell]:
    name = Cell(row.named, link=links.explainers.get(row.explainer, ""))
    return [name, *cost_cells(row)]


def cost_cells(row: Row) -> list[Cell]:
    """Return what one explanation costs: times, and rows of the network."""
    return [
        figures.seconds(row.latency_s, row.latency_spread),
        figures.count(row.samples_per_s),
        figures.seconds(row.prepare_s),
        figures.count(row.forward_rows),
        figures.count(row.backward_rows),
    ]


def detectors(board: Board, links: Links) -> Grid:
    """Return what the detectors are worth."""
    names = ("seeds", "error / constant's", "ROC-AUC", "AP", "(chance)")
    lines = [
        Line(
            [
                Cell(one.source, link=links.datasets.get(one.source, "")),
                figures.count(one.seeds),
                figures.share(one.error_ratio),
                figures.share(one.roc_auc),
                figures.share(one.average_precision),
                figures.share(one.anomalous_share),
            ]
        )
        for one in board.detectors
    ]
    return Grid("The detectors", [Column("detector of", words=True), *map(Column, names)], lines)
