"""A page for each data set: licence, what its detectors are worth, its anomalies, some of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from aexbench.board import wording
from aexbench.board.table import unnumbered
from aexbench.publishing import boards, examples, figures, groups
from aexbench.publishing.examples import Examples
from aexbench.publishing.grids import Cell, Column, Grid, Line
from aexbench.publishing.known import Known, by_text, known
from aexbench.publishing.links import Links
from aexbench.publishing.reading import Reading
from aexbench.running.store import Record
from aexbench.running.titles import Seen

REPORTED = {
    "found": "anomalies",
    "asked": "asked for",
    "draws": "draws",
    "alarmed": "raise an alarm",
    "without_cause": "without a true feature",
}  # of what was said of anomalies


@dataclass(frozen=True)
class Dataset:
    """What the page of a data set shows."""

    name: str
    path: str
    known: Known
    detectors: Sequence[tuple[str, Grid]]
    anomalies: Sequence[tuple[str, Grid]]
    groups: Sequence[tuple[str, Grid]]
    examples: Sequence[Examples]


def datasets(readings: Sequence[Reading], links: Links) -> list[Dataset]:
    """Return what is known of all data sets that boards stand on."""
    components = by_text(r.cell.dataset for one in readings for r in one.records)
    found = []
    for name, path in links.datasets.items():
        own = {one.slug: _records(one, one.dataset(unnumbered(name))) for one in readings}
        there = [one for one in readings if own[one.slug]]
        found.append(
            Dataset(
                name=name,
                path=path,
                known=known("datasets", components[there[0].dataset(unnumbered(name))]),
                detectors=[
                    (one.name, grid) for one in there for grid in _detectors(one, name, links)
                ],
                anomalies=[(one.name, _anomalies(own[one.slug], one.seen)) for one in there],
                groups=[pair for one in there for pair in _groups(one, name, links)],
                examples=[examples.of(one, own[one.slug]) for one in there],
            )
        )
    return found


def _records(reading: Reading, name: str) -> list[Record]:
    return [record for record in reading.records if record.cell.dataset.text == name]


def _detectors(reading: Reading, name: str, links: Links) -> Iterator[Grid]:
    """Yield what the detectors of a data set are worth."""
    places = [section.place(g) for section in reading.board.sections for g in section.groups]
    own = {f"{one.dataset} {one.detector}".strip() for one in places if one.dataset == name}
    found = [one for one in reading.board.detectors if one.source in own]
    if found:
        yield boards.detectors(replace(reading.board, detectors=found), links)


def _anomalies(records: Sequence[Record], seen: Seen) -> Grid:
    """Return what was said of each anomaly set."""
    sets = {record.cell.anomaly_key: record for record in records if record.state == "ok"}
    order = sorted(sets.values(), key=lambda r: (r.cell.corruption.text, r.cell.anomaly_seed))
    said = [name for name in REPORTED if any(name in record.anomalies for record in order)]
    columns = [Column("corruption", words=True), Column("seed")]
    columns += [Column(REPORTED[name]) for name in said]
    return Grid("Sets of anomalies", columns, [_line(record, said, seen) for record in order])


def _line(record: Record, said: Sequence[str], seen: Seen) -> Line:
    values = [record.anomalies.get(name) for name in said]
    counts = [figures.count(v if isinstance(v, int | float) else None) for v in values]
    seed = record.cell.anomaly_seed
    name = seen.of("corruption", record.cell.corruption)
    return Line([Cell(name), Cell(str(seed), seed), *counts], corruption=name)


def _groups(reading: Reading, name: str, links: Links) -> Iterator[tuple[str, Grid]]:
    """Yield the groups of a data set, section by section."""
    for section in reading.board.sections:
        own = {g: n for g, n in section.groups.items() if section.place(g).dataset == name}
        if own and len(section.rows) <= groups.MOST_COLUMNS:
            grid = groups.grid(replace(section, groups=own), reading.board, links)
            lines = [line for line in grid.lines if line.dataset]  # the mean is of all data sets
            title = f"{reading.name}: {wording.title(section)}"
            yield title, replace(grid, lines=lines)
