"""The leaderboard: ranked by the score, beside the floors that a score must stand above. Derived
from a store alone.

A group is one data set, detector, corruption and label; each counts the same. An explainer's floors
are the explainers that do not know the detector, its own loss-ablated form, and itself on the
untrained twins. Its gain is its score minus the best of these, and is real only if the paired lower
bound is above zero against every one of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aexbench import families, specs
from aexbench.board import rendering
from aexbench.board.statistics import Bootstrap, Distribution, Estimate, average
from aexbench.components import Component, component
from aexbench.errors import RequestError, unknown
from aexbench.files import DamagedFileError, UnreadableError
from aexbench.running import staleness
from aexbench.running.cells import DEFAULT, GIVEN, Cell
from aexbench.running.packed import AnyStore
from aexbench.running.provenance import describe, jobs
from aexbench.running.scoring import MetricInfo, score
from aexbench.running.store import Record, Scores, StaleError
from aexbench.running.strata import STRATA
from aexbench.texts import counted, pathless

Part = tuple[
    dict[str, NDArray[np.float64]], NDArray[np.int64]
]  # values per sample by metric, and units
MOST_UNALARMED = 0.5  # of labelled rows: of more the median one is as normal as normal samples
LEAST_GAIN = 0.1  # of the score, by the median anomaly: less is hardly an anomaly
CONTROL_NAMES = {
    "initial": "initial twin",
    "permuted": "permuted twin",
    "loss-ablated": "loss-ablated",
}


@dataclass(frozen=True)
class Gain:
    """A score against its floors: the best floor, the gain over it, and the least lower bound
    against any floor.
    """

    floor: str
    floor_score: float
    gain: float
    low: float

    @property
    def above(self) -> bool:
        """Whether the score stands above every floor."""
        return self.low > 0


@dataclass(frozen=True)
class Row:
    """One explainer on the board; `rank` is None for floors, references and incomplete rows."""

    explainer: str
    role: str
    rank: int | None
    scores: Mapping[str, Estimate]
    gain: Gain | None
    by_group: Mapping[str, tuple[float, Gain | None]]
    complete: bool
    latency_s: float | None
    samples_per_s: float | None
    prepare_s: float | None
    hardware: str
    latency_spread: float | None = None
    forward_rows: float | None = None
    backward_rows: float | None = None

    @property
    def note(self) -> str:
        """What a reader must know beside the numbers."""
        if self.role == "reference":
            return "the truth itself"
        if self.role == "floor":
            return "floor"
        if not self.complete:
            return "incomplete"
        return "" if self.gain is None or self.gain.above else "not above its floor"


@dataclass(frozen=True)
class Quality:
    """How good the detectors of one source are, means over seeds: explanations of a bad one mean
    nothing.

    `error_ratio` is the validation error in units of the best constant sample's; `roc_auc` and
    `average_precision` say how well e(x) finds the labelled anomalies, and `anomalous_share` what
    chance would give for the latter.
    """

    source: str
    seeds: int
    error_ratio: float | None = None
    roc_auc: float | None = None
    average_precision: float | None = None
    anomalous_share: float | None = None


@dataclass(frozen=True)
class Board:
    """Rows in their order, the metrics' titles by name, the groups, what the detectors are worth,
    notes for readers.
    """

    rows: Sequence[Row]
    metrics: Mapping[str, str]
    groups: Sequence[str]
    notes: Sequence[str]
    title: str = ""
    detectors: Sequence[Quality] = ()

    def __str__(self) -> str:
        """The board as a terminal shows it."""
        return rendering.as_text(self)

    def _repr_markdown_(self) -> str:
        return rendering.as_markdown(self)

    @property
    def primary(self) -> str:
        """The metric that ranks."""
        return next(iter(self.metrics))


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
    records.sort(key=_by_name)
    table, stale, metrics = _Table(), Counter[str](), staleness.of_records(records)
    for record in records:
        if record.state == "ok":
            try:
                scores = staleness.current(store, record, metrics)
                table.add(record, scores if by is None else _split(store, record, scores, by))
            except StaleError as error:
                stale[str(error)] += 1
            except (DamagedFileError, UnreadableError) as error:
                complaints.append(str(error))
    complaints += [f"{counted(count, 'cell')}: {said}" for said, count in stale.items()]
    if not table.cells:
        states = ", ".join(sorted({record.state for record in records})) or "no records"
        more = complaints[0] if complaints else f"aexbench status {store.root} says more"
        raise RequestError(f"{store.root} has no scores to rank ({states}): {more}")
    titles = _titles(table.metrics)
    if metric is not None and metric not in table.metrics:
        by_title = {title: name for name, title in titles.items()}
        by_title |= {specs.write(*specs.parse(name)): name for name in table.metrics}
        metric = by_title.get(metric) or _named(metric)
        if metric not in table.metrics:
            raise unknown("metric of this store", metric, {*table.metrics, *by_title})
    names = [*([metric] if metric else []), *(name for name in table.metrics if name != metric)]
    rows = _ranked(_Rows(table, names).all(), table.metrics[names[0]])
    notes = [pathless(note) for note in (*_notes(records, table, store), *complaints)]
    suites = [str(suite.get("name", "")) for suite, _ in store.plans()]
    shown = {name: titles[name] for name in names}
    return Board(rows, shown, list(table.groups), notes, " + ".join(suites), table.qualities())


def _titles(metrics: Mapping[str, MetricInfo]) -> dict[str, str]:
    """Return the titles of metrics; one that would name another column too has the metric's name
    beside it.
    """
    columns = {name: rendering.columns(info.title) for name, info in metrics.items()}
    count = Counter(column for own in columns.values() for column in own)
    count.update(rendering.COLUMNS)
    shared = {name for name, own in columns.items() if any(count[column] > 1 for column in own)}
    return {
        name: f"{info.title} ({name})" if name in shared else info.title
        for name, info in metrics.items()
    }


def _named(metric: str) -> str:
    """Return a metric's name as stores write it: `recall[top=1]` is `recall`."""
    try:
        return component(families.metrics, metric).text
    except RequestError:
        return metric


def _by_name(record: Record) -> tuple[str, ...]:
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
    again = score(store.read_attributions(record), anomalies, pooled)
    return replace(scores, label=label, values={**scores.values, **again})


def _join(label: NDArray[np.str_], stratum: NDArray[np.str_], plain_label: str) -> NDArray[np.str_]:
    """Return label and stratum in one text; a label that only repeats the corruption's name says
    nothing.
    """
    pairs = zip(label.tolist(), stratum.tolist(), strict=True)
    return np.array([part if name == plain_label else f"{name} / {part}" for name, part in pairs])


@dataclass
class _Table:
    """Scores by explainer and control, group and seed."""

    cells: dict[tuple[str, str], dict[str, dict[int, list[Part]]]] = field(default_factory=dict)
    metrics: dict[str, MetricInfo] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)  # group → its source
    controls: set[tuple[str, int]] = field(default_factory=set)
    # (explainer, control, its seed) → anomaly sets
    sets: dict[tuple[str, str, int], set[str]] = field(default_factory=lambda: defaultdict(set))
    records: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))
    texts: dict[tuple[str, str], dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    # source → detector's key → its report
    reports: dict[str, dict[str, Mapping[str, Any]]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    def add(self, record: Record, scores: Scores) -> None:
        """Take in one cell's scores."""
        cell = record.cell
        explainer = self.text("explainer", cell.explainer)
        for name, info in scores.metrics.items():
            self.metrics.setdefault(name, info)
        seeds = self.cells.setdefault((explainer, cell.control), {})
        for label in np.unique(scores.label):
            group = self.group(cell, str(label))
            rows = np.flatnonzero(scores.label == label)
            values = {name: v[rows] for name, v in scores.values.items()}
            seeds.setdefault(group, {}).setdefault(cell.anomaly_seed, []).append(
                (values, scores.unit[rows])
            )
        self.reports[self.source(cell)][cell.detector_key] = record.detector
        self.controls.add((cell.control, cell.control_seed))
        self.sets[explainer, cell.control, cell.control_seed].add(cell.anomaly_key)
        if cell.control == "none":
            self.records[explainer].append(record)

    def text(self, kind: str, component: Component) -> str:
        """Return a component's text; a second one of the same text gets a number."""
        known = self.texts[kind, component.text]
        known.setdefault(component.key)
        place = list(known).index(component.key)
        return component.text if place == 0 else f"{component.text} (version {place + 1})"

    def source(self, cell: Cell) -> str:
        """Return the name of a cell's data set with its detector, if that is not the data set's
        own.
        """
        detector = self.text("detector", cell.detector)
        plain = detector in (DEFAULT, GIVEN)
        return self.text("dataset", cell.dataset) + ("" if plain else f" {detector}")

    def qualities(self) -> list[Quality]:
        """Return how good the detectors are, source by source."""
        return [
            _quality(source, list(reports.values())) for source, reports in self.reports.items()
        ]

    def group(self, cell: Cell, label: str) -> str:
        """Return the name of a cell's group, and remember which source it belongs to."""
        source = self.source(cell)
        corruption = self.text("corruption", cell.corruption)
        name = f"{source} / {corruption}" + ("" if label == cell.corruption.name else f" / {label}")
        self.groups.setdefault(name, source)
        return name


def _quality(source: str, reports: Sequence[Mapping[str, Any]]) -> Quality:
    """Return the means over the reports of one source's detectors, of what all of them say."""

    def mean(name: str) -> float | None:
        values = [report.get(name) for report in reports]
        numbers = [
            float(value)
            for value in values
            if isinstance(value, int | float) and np.isfinite(value)
        ]
        return float(np.mean(numbers)) if len(numbers) == len(values) else None

    own, constant = mean("validation_error"), mean("constant_error")
    ratio = None if own is None or not constant else own / constant
    return Quality(
        source,
        len(reports),
        ratio,
        mean("roc_auc"),
        mean("average_precision"),
        mean("anomalous_share"),
    )


class _Rows:
    """Makes rows out of a table, with one bootstrap per source."""

    def __init__(self, table: _Table, metrics: Sequence[str]) -> None:
        self.table, self.metrics = table, metrics
        units: dict[str, list[NDArray[np.int64]]] = defaultdict(list)
        seeds: dict[str, set[int]] = defaultdict(set)
        for groups in table.cells.values():
            for group, by_seed in groups.items():
                source = table.groups[group]
                seeds[source] |= by_seed.keys()
                units[source] += [unit for parts in by_seed.values() for _, unit in parts]
        self.bootstraps = {
            source: Bootstrap(np.concatenate(parts), sorted(seeds[source]))
            for source, parts in units.items()
        }
        self.roles = {name: records[0].role for name, records in table.records.items()}
        self.everything = set().union(*table.sets.values())

    def all(self) -> list[tuple[Row, Distribution]]:
        """Return each explainer's row and the distribution of its primary score."""
        primary = self.metrics[0]
        return [
            self.row(name) for name in self.table.records if self.by_group((name, "none"), primary)
        ]

    def row(self, explainer: str) -> tuple[Row, Distribution]:
        """Return an explainer's row and the distribution of its primary score."""
        primary, records = self.metrics[0], self.table.records[explainer]
        own = {metric: self.by_group((explainer, "none"), metric) for metric in self.metrics}
        floors = {} if self.roles[explainer] != "explainer" else self.floors(explainer)
        groups = own[primary]
        by_group = {
            group: (distribution.mean, self.gain({group: distribution}, floors))
            for group, distribution in groups.items()
        }
        whole = average(list(groups.values()))
        row = Row(
            explainer=explainer,
            role=self.roles[explainer],
            rank=None,
            scores={
                metric: average(list(by.values())).estimate() for metric, by in own.items() if by
            },
            gain=self.gain(groups, floors),
            by_group=by_group,
            complete=self.complete(explainer, groups),
            **_times(records),
        )
        return row, whole

    def complete(self, explainer: str, groups: Mapping[str, Distribution]) -> bool:
        """Whether an explainer has scores everywhere, and its controls too wherever others have
        some.
        """
        controls = self.table.controls if self.roles[explainer] == "explainer" else {("none", 0)}
        everywhere = all(
            self.table.sets.get((explainer, *control)) == self.everything for control in controls
        )
        return everywhere and set(groups) == set(self.table.groups)

    def by_group(self, key: tuple[str, str], metric: str) -> dict[str, Distribution]:
        """Return the distribution of a metric's mean in each group that has it."""
        found = {}
        for group, seeds in self.table.cells.get(key, {}).items():
            samples = {
                seed: merged
                for seed, parts in seeds.items()
                if (merged := _merge(parts, metric)) is not None
            }
            if samples:
                found[group] = self.bootstraps[self.table.groups[group]].mean(samples)
        return found

    def floors(self, explainer: str) -> dict[str, dict[str, Distribution]]:
        """Return the floors of an explainer: group by group, the primary metric's distributions."""
        keys = {name: (name, "none") for name, role in self.roles.items() if role == "floor"}
        keys |= {title: (explainer, control) for control, title in CONTROL_NAMES.items()}
        return {
            name: found
            for name, key in keys.items()
            if (found := self.by_group(key, self.metrics[0]))
        }

    def gain(
        self, groups: Mapping[str, Distribution], floors: Mapping[str, Mapping[str, Distribution]]
    ) -> Gain | None:
        """Return the gain over the best floor; each floor is compared on the groups
        that both have.
        """
        sign = 1 if self.table.metrics[self.metrics[0]].higher_is_better else -1
        best, low = None, np.inf
        for name, floor in floors.items():
            shared = [group for group in groups if group in floor]
            if not shared:
                continue
            own, other = (average([side[group] for group in shared]) for side in (groups, floor))
            difference = own.minus(other).estimate()
            low = min(low, difference.low if sign > 0 else -difference.high)
            if best is None or sign * other.mean > sign * best[1]:
                best = (name, other.mean, sign * difference.mean)
        return None if best is None else Gain(*best, float(low))


def _merge(parts: list[Part], metric: str) -> tuple[NDArray[np.float64], NDArray[np.int64]] | None:
    """Return the mean over a control's seeds, sample by sample: all of them explain the same
    anomalies.
    """
    scored = [(values[metric], unit) for values, unit in parts if metric in values]
    if not scored:
        return None
    return np.mean([values for values, _ in scored], axis=0), scored[0][1]


def _ranked(rows: list[tuple[Row, Distribution]], metric: MetricInfo) -> list[Row]:
    """Return explainers by rank and score, then floors, then references.

    A rank is one more than the number of explainers that are better for sure: those that cannot be
    told apart share it.
    """
    sign = 1 if metric.higher_is_better else -1
    order = {"explainer": 0, "floor": 1, "reference": 2}
    ranked = [pair for pair in rows if pair[0].role == "explainer" and pair[0].complete]
    result = []
    for row, own in rows:
        rank = 1 + sum(_surely_better(other, own, sign) for _, other in ranked)
        is_ranked = row.role == "explainer" and row.complete
        key = (order[row.role], not row.complete, rank if is_ranked else 0, -sign * own.mean)
        result.append((key, replace(row, rank=rank if is_ranked else None)))
    return [row for _, row in sorted(result, key=lambda pair: pair[0])]


def _surely_better(one: Distribution, other: Distribution, sign: int) -> bool:
    difference = one.minus(other).estimate()
    return difference.low > 0 if sign > 0 else difference.high < 0


COSTS = ("latency_s", "latency_spread", "samples_per_s", "prepare_s")
ROWS = ("forward_rows", "backward_rows")
BESIDE = "beside other work: its times are not shown"


def _times(records: Iterable[Record]) -> dict[str, Any]:
    """Return median times and rows; only times of one kind of machine, on which nothing else of
    ours ran, stand in one row.
    """
    timed = [record for record in records if record.timing is not None]
    alone = [record for record in timed if jobs(_machine(record)) == 1]
    machines = {describe(_machine(record)) for record in alone}
    rows = {name: _median(timed, name) for name in ROWS}
    if len(machines) != 1:
        why = "several machines" if machines else BESIDE if timed else ""
        return {**dict.fromkeys(COSTS), **rows, "hardware": why}
    medians = {name: _median(alone, name) for name in COSTS}
    return {**medians, **rows, "hardware": machines.pop()}


def _machine(record: Record) -> object:
    """Return the machine that a record was timed on."""
    own = None if record.timing is None else record.timing.hardware
    return record.provenance.get("hardware") if own is None else own


def _median(records: Iterable[Record], name: str) -> float | None:
    """Return the median of what is known of a cost."""
    values = [getattr(record.timing, name) for record in records]
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _without_scores(records: Sequence[Record]) -> list[str]:
    """Return a line for each explainer that has no score at all, and why."""
    own: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.cell.control == "none":
            own[record.cell.explainer.text].append(record)
    return [
        f"{name} has no score: {found[0].state}: {found[0].reason}"
        for name, found in own.items()
        if all(record.state != "ok" for record in found)
    ]


def _of_anomalies(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a reader must know of an anomaly set; of older ones less is known."""
    asked, made, draws, distinct = (
        report.get(name) for name in ("asked", "found", "draws", "distinct")
    )
    if isinstance(asked, int) and isinstance(made, int) and made < asked:
        yield f"{made} of {asked} anomalies found in {draws} draws"
    gain = report.get("median_gain")
    if isinstance(gain, int | float) and gain < LEAST_GAIN:
        yield (
            f"the median score rose by {gain:.2f} alone: clean samples were nearly as "
            "anomalous, and their corruption is no cause to be found"
        )
    if isinstance(distinct, int) and isinstance(made, int) and distinct < made / 4:
        yield f"only {distinct} distinct pairs of row and feature among {made} anomalies"
    unalarmed = report.get("unalarmed")
    if isinstance(unalarmed, int | float) and unalarmed > MOST_UNALARMED:
        yield (
            f"{unalarmed:.0%} of the labelled rows score below the 95th percentile of normal "
            "ones: they raised no alarm, and there is no error to explain"
        )


def _left_out(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield how many labelled rows are no anomalies to be explained, where there are such."""
    dropped = report.get("without_cause")
    if isinstance(dropped, int) and dropped > 0:
        every = dropped + int(report.get("labelled", report["found"]))
        yield f"{dropped} of {every} labelled rows have no true feature and are left out"


def _untimed(records: Sequence[Record]) -> list[str]:
    """Return a line for each explainer that could not be timed somewhere, or whose rows could not
    be counted, and why.
    """
    reasons = {(r.cell.explainer.text, r.untimed) for r in records if r.untimed}
    said = [
        f"{name} could not be timed: {reason} (--rerun {name!r} tries it again)"
        for name, reason in sorted(reasons)
    ]
    timed = {(r.cell.explainer.text, r.timing.uncounted) for r in records if r.timing}
    uncounted = sorted((name, reason) for name, reason in timed if reason)
    return [*said, *(f"the rows of {name} are not counted: {why}" for name, why in uncounted)]


OF_TWINS = {
    "kept": "twins at initial weights keep the buffers {names}: if these were trained, gains are "
    "too small; Detector(…, fresh=function) makes such twins anew",
    "redrawn": "twins at initial weights have {names}, which nothing initialises, drawn with the "
    "spread of the trained values",
}


def _of_twins(records: Sequence[Record]) -> list[str]:
    """Return what untrained twins have of the trained network, or of its spread."""
    reports = [record.detector for record in records if record.cell.control == "initial"]
    found = {
        key: sorted({str(name) for report in reports for name in _listed(report.get(key))})
        for key in OF_TWINS
    }
    return [OF_TWINS[key].format(names=", ".join(names)) for key, names in found.items() if names]


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _notes(records: Sequence[Record], table: _Table, store: AnyStore) -> list[str]:
    """Return what a reader must know of the whole board."""
    notes = [str(suite["notes"]).strip() for suite, _ in store.plans() if suite.get("notes")]
    found = {r.cell.anomaly_key: (r.cell, r.anomalies) for r in records if r.state == "ok"}
    for cell, report in found.values():
        what = f"{cell.dataset.text} / {cell.corruption.text}"
        left_out = [f"{what}: {said}" for said in _left_out(report)]
        notes += [note for note in left_out if note not in notes]  # alike for every seed
        notes += [f"{what} seed {cell.anomaly_seed}: {said}" for said in _of_anomalies(report)]
    notes += _without_scores(records)
    bad = [record for record in records if record.state != "ok"]
    if bad:
        notes.append(
            f"{len(bad)} of {len(records)} cells are not ok: aexbench status says which, and why"
        )
    twins = Counter(control for control, _ in table.controls)
    if twins["initial"] or twins["permuted"]:
        notes.append(
            f"untrained twins: {twins['initial']} at initial weights, {twins['permuted']} permuted"
        )
    else:
        notes.append(
            "no untrained twins were run: whether a score comes from what was learned is not known"
        )
    notes += _of_twins(records) + _untimed(records)
    machines = {row for name in table.records if (row := _times(table.records[name])["hardware"])}
    return [*notes, *(f"timed on {machine}" for machine in sorted(machines))]
