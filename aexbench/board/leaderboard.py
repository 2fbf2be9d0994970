"""The leaderboard: ranked by the score, beside the floors that a score must stand above. Derived
from a store alone.

Samples are averaged within units, units within groups; what the rows of a section are and how sure
they are stands in `sections`, what is averaged with what in `table`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from aexbench import families, specs
from aexbench.board import notebook, rendering, tidy, validity
from aexbench.board.meanings import meaning
from aexbench.board.notes import notes
from aexbench.board.quality import Quality, quality
from aexbench.board.sections import Row, Section, sections
from aexbench.board.table import Table
from aexbench.board.validity import Card
from aexbench.components import Entry, component
from aexbench.errors import RequestError, unknown
from aexbench.files import DamagedFileError, UnreadableError
from aexbench.garbage import uncollected
from aexbench.running import staleness, titles
from aexbench.running.packed import AnyStore
from aexbench.running.references import LABELS
from aexbench.running.scoring import MetricInfo, of_cell
from aexbench.running.store import Record, Scores, StaleError
from aexbench.running.strata import STRATA
from aexbench.running.titles import Seen
from aexbench.texts import counted, pathless

ALARM = "alarm"  # the split that shows what raises none
GAIN = "gain"  # the split that labels have not


@dataclass(frozen=True)
class Board:
    """Sections, one for each kind of anomalies; the metrics' titles by name, notes for readers,
    what the detectors are worth, and what rankings by corruptions predict of those by labels; what
    the metrics mean, and why the suite ranks by its first.
    """

    sections: Sequence[Section]
    metrics: Mapping[str, str]
    notes: Sequence[str]
    title: str = ""
    detectors: Sequence[Quality] = ()
    cards: Sequence[Card] = ()
    meanings: Mapping[str, str] = field(default_factory=dict)
    why: str = ""

    def __str__(self) -> str:
        """The board as a terminal shows it."""
        return rendering.as_text(self)

    def __repr__(self) -> str:
        return notebook.summary(self).text()

    def _repr_html_(self) -> str:
        return notebook.as_html(self)

    @property
    def primary(self) -> str:
        """The metric that ranks."""
        return next(iter(self.metrics))

    @property
    def rows(self) -> Sequence[Row]:
        """The rows of a board that has one section; RequestError where it has several."""
        if len(self.sections) > 1:
            raise RequestError("this board has several kinds of anomalies: see its sections")
        return self.sections[0].rows


def leaderboard(
    store: AnyStore,
    metric: str | None = None,
    keys: Collection[str] | None = None,
    by: str | None = None,
) -> Board:
    """Return the board of a store.

    Parameters
    ----------
    store
        Where the records are.
    metric
        What ranks, a name as in the scores; the suite's first where it is left out.
    keys
        Which cells are on it; without them, all that have a record.
    by
        A name of `strata.STRATA`: groups are split by it, and each part counts the same.

    Raises
    ------
    RequestError
        If nothing is there to rank, or `metric` or `by` is unknown here.
    """
    if by is not None and by not in STRATA:
        raise unknown("way to split a board", by, STRATA)
    records, complaints = store.records()
    if keys is not None:
        records = [record for record in records if record.cell.key in keys]
    return of_records(store, records, complaints, metric, by)


def of_records(
    store: AnyStore,
    records: Sequence[Record],
    complaints: list[str],
    metric: str | None = None,
    by: str | None = None,
) -> Board:
    """Return the board of records that have been read; what else cannot be read is added to the
    complaints.
    """
    records = sorted(records, key=by_name)
    table = read_table(store, records, by, complaints)
    called = _titles(store, table.metrics)
    first = None if metric is None else _known(metric, called)
    asked = [*([first] if first else []), *_asked(store)]
    of_curves = _asked(store, "curve")
    order = [*asked, *(name for name in table.metrics if name not in of_curves)]
    names = [name for name in dict.fromkeys(order) if name in table.metrics]
    found = sections(table, names)
    if not found:
        raise RequestError(_nothing(store, records, complaints, table.seen))
    return Board(
        sections=found,
        cards=() if by is not None else _cards(table, names),
        metrics={name: called[name] for name in names},
        notes=[pathless(note) for note in (*notes(records, table, store), *complaints)],
        title=" + ".join(str(suite.get("name", "")) for suite, _ in store.plans()),
        detectors=list(_qualities(table)),
        meanings={name: said for name in names if (said := meaning(name))},
        why=_why(store, names[0]),
    )


def cards(
    store: AnyStore,
    metric: str | None = None,
    keys: Collection[str] | None = None,
    datasets: Collection[str] | None = None,
) -> tuple[list[Card], list[str]]:
    """Return what ranking by a store's corruptions predicts of the ranking by its labels, and what
    of the store could not be read.

    Parameters
    ----------
    store, keys
        As a board has them.
    metric
        By which one; by each, where it is left out.
    datasets
        On these alone, by their names with brackets.

    Raises
    ------
    RequestError
        If there are not two data sets with corruptions and labels, or a name is unknown here.
    """
    records, complaints = store.records()
    records = [record for record in records if keys is None or record.cell.key in keys]
    records = sorted(_on(records, datasets) if datasets else records, key=by_name)
    table = read_table(store, records, None, complaints)
    if not table.groups:
        raise RequestError(_nothing(store, records, complaints, table.seen))
    names = [_known(metric, _titles(store, table.metrics))] if metric else list(table.metrics)
    found = _cards(table, names)
    if not found:
        raise RequestError(
            f"{store.root} shows nothing of what corruptions predict: that needs labels and "
            "corruptions on two data sets, and two explainers with every score there (suite real)"
        )
    return found, complaints


def _on(records: Sequence[Record], datasets: Collection[str]) -> list[Record]:
    """Return the records of some data sets; RequestError where there are none of one."""
    known = {record.cell.dataset.text for record in records}
    for name in datasets:
        if name not in known:
            raise unknown("data set of this store", name, known)
    return [record for record in records if record.cell.dataset.text in datasets]


def _cards(table: Table, metrics: Sequence[str]) -> list[Card]:
    return [card for metric in metrics for card in validity.cards(table, metric)]


@uncollected()
def read_table(
    store: AnyStore, records: Sequence[Record], by: str | None, complaints: list[str]
) -> Table:
    """Return what the records have scored, split by a stratum where one is named; what cannot be
    read is added to the complaints.
    """
    table = Table(split=by not in (None, ALARM), seen=titles.of(store, records))
    stale = Counter[str]()
    metrics = staleness.of_records(records)
    for record in _split_by(records, by, complaints):
        if record.state != "ok":
            continue
        try:
            scores = staleness.current(store, record, metrics)
            split = scores if by is None else _split(store, record, scores, by)
            table.add(record, split, unalarmed=by == ALARM)
        except StaleError as error:
            stale[str(error)] += 1
        except (DamagedFileError, UnreadableError) as error:
            complaints.append(str(error))
    complaints += [f"{counted(count, 'cell')}: {said}" for said, count in stale.items()]
    return table


def _split_by(records: Sequence[Record], by: str | None, complaints: list[str]) -> Sequence[Record]:
    """Return the records that can be split; beside others, labels are left out that have no gain,
    and that is said.
    """
    others = [record for record in records if record.cell.corruption.name != LABELS]
    if by != GAIN or len(others) in (0, len(records)):
        return records
    complaints.append("labels are left out: they come from no clean sample, and have no gain")
    return others


def _nothing(
    store: AnyStore, records: Sequence[Record], complaints: Sequence[str], seen: Seen
) -> str:
    """Return why there is nothing to rank: the first complaint, or the first reason why a cell is
    not ok.
    """
    states = ", ".join(sorted({record.state for record in records})) or "no records"
    reasons = [f"{seen.cell(r.cell)}: {r.reason}" for r in records if r.state != "ok" and r.reason]
    why = [*complaints, *reasons, f"aexbench status {store.root} says more"][0]
    if states == "ok" and not complaints:
        why = "no labelled row raises an alarm (--by alarm shows them)"
    return f"{store.root} has no scores to rank ({states}): {why}"


def _known(metric: str, called: Mapping[str, str]) -> str:
    """Return the name of a metric that is named as in the scores, by its title, or with its
    defaults.
    """
    names = {name: name for name in called}
    by_title = {title: name for name, title in called.items()}
    by_title |= {specs.write(*specs.parse(name)): name for name in called}
    found = (names | by_title).get(metric) or _named(metric)
    if found not in called:
        raise unknown("metric of this store", metric, {*called, *by_title})
    return found


def _titles(store: AnyStore, metrics: Mapping[str, MetricInfo]) -> dict[str, str]:
    """Return the titles of metrics, the suites' own if they give some; one that would name another
    column too has the metric's name beside it.
    """
    given = {_named(m): title for m in _entries(store) if (title := titles.of_entry(m))}
    called = {name: given.get(name, info.title) for name, info in metrics.items()}
    columns = {name: tidy.columns(title) for name, title in called.items()}
    count = Counter(column for own in columns.values() for column in own)
    count.update(tidy.COLUMNS)
    shared = {name for name, own in columns.items() if any(count[column] > 1 for column in own)}
    return {
        name: f"{title} ({name})" if name in shared else title for name, title in called.items()
    }


def _qualities(table: Table) -> Iterator[Quality]:
    """Yield what the detectors of each block are worth, by its title where it has one."""
    places = {group.block: group.place for group in table.groups.values()}
    for block, own in table.reports.items():
        place = places.get(block)
        title = f"{place.dataset} {place.detector}".strip() if place else block
        yield quality(block, list(own.values()), title)


def _why(store: AnyStore, metric: str) -> str:
    """Return why the suites rank by a metric, if one does and says it."""
    for suite, _ in store.plans():
        first = [_named(entry) for entry in suite.get("metrics", [])[:1]]
        if suite.get("why") and first == [metric]:
            return " ".join(str(suite["why"]).split())
    return ""


def _asked(store: AnyStore, key: str = "metrics") -> list[str]:
    """Return the names of the metrics of a store's suites, in their order, or of their curves."""
    return [_named(entry) for entry in _entries(store, key)]


def _entries(store: AnyStore, key: str = "metrics") -> list[Entry]:
    return [entry for suite, _ in store.plans() for entry in suite.get(key, [])]


def _named(metric: Entry) -> str:
    """Return a metric's name as stores write it: `recall[top=1]` is `recall`; that of a plugin that
    is not loaded as it stands.
    """
    try:
        return component(families.metrics, metric).text
    except RequestError:
        return str(metric)


def by_name(record: Record) -> tuple[str, ...]:
    """Return what orders records for a board, where keys may not matter."""
    cell = record.cell
    parts = (cell.dataset, cell.detector, cell.corruption, cell.explainer)
    seeds = (cell.anomaly_seed, cell.control_seed)
    return (
        *(part.text for part in parts),
        cell.control,
        *(f"{seed:06}" for seed in seeds),
        cell.key,
    )


def _split(store: AnyStore, record: Record, scores: Scores, by: str) -> Scores:
    """Return a cell's scores by label and stratum; what pools samples is derived anew from the
    attributions.
    """
    label = _join(scores.label, store.strata(record, by), record.cell.corruption.name)
    pooled = [
        component(families.metrics, name) for name, info in scores.metrics.items() if info.pooled
    ]
    if not pooled:
        return replace(scores, label=label)
    anomalies = replace(store.anomalies_of(record), label=label)
    again = of_cell(record.cell, store.read_attributions(record), anomalies, pooled)
    return replace(scores, label=label, values={**scores.values, **again})


def _join(label: NDArray[np.str_], stratum: NDArray[np.str_], plain_label: str) -> NDArray[np.str_]:
    """Return label and stratum in one text; a label that only repeats the corruption's name says
    nothing.
    """
    pairs = zip(label.tolist(), stratum.tolist(), strict=True)
    return np.array([part if name == plain_label else f"{name} / {part}" for name, part in pairs])
