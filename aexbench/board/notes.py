"""What a reader must know of a whole board: what is left out, what was not measured, and where."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aexbench.board import costs
from aexbench.board.table import Table
from aexbench.declarations import Kind
from aexbench.running import alarms, planning
from aexbench.running.controls import ABLATED, TWINS
from aexbench.running.packed import AnyStore
from aexbench.running.references import LABELS
from aexbench.running.store import Record
from aexbench.running.titles import Seen

ALARMS = ("alarmed", "found", "alarmed_units", "units")  # that reports of labels count
LEAST_GAIN = 0.1  # of the score, by the median anomaly: less is hardly an anomaly


def notes(records: Sequence[Record], table: Table, store: AnyStore) -> list[str]:
    """Return what a reader must know of the whole board."""
    found = [str(suite["notes"]).strip() for suite, _ in store.plans() if suite.get("notes")]
    sets = {r.cell.anomaly_key: r for r in records if r.state == "ok"}
    explained = list(sets.values())
    found += [
        *_of_sets(explained, table),
        *_alarms(explained, table.seen),
        *_leaks(explained, table.seen),
    ]
    found += _without_scores(records, table.seen)
    bad = sum(record.state != "ok" for record in records)
    if bad:
        found.append(
            f"{bad} of {len(records)} cells are not ok: aexbench status says which, and why"
        )
    found += [_of_controls(table), *_lacking(records, table), *_of_own_errors(table)]
    found += [*_of_later_floors(records), *_of_lineages(table)]
    found += [*_of_earlier(records), *_of_twins(records)]
    found += costs.untimed(records, table.seen)
    machines = {m for own in table.records.values() if (m := costs.times(own)["hardware"])}
    return [*found, *map(costs.where, sorted(machines))]


def _of_sets(explained: Sequence[Record], table: Table) -> Iterator[str]:
    """Yield what a reader must know of anomaly sets, once for all seeds of which it is true."""
    seeds: dict[tuple[str, str], list[int]] = defaultdict(list)
    for record in explained:
        cell, report = record.cell, record.anomalies
        what = " / ".join(filter(None, table.place(cell, "")))
        for note in _left_out(report):  # alike for every seed
            _ = seeds[what, note]
        for note in _of_anomalies(report):
            seeds[what, note].append(cell.anomaly_seed)
    for (what, note), found in seeds.items():
        own = list(dict.fromkeys(found))  # merged stores may have one seed twice
        numbers = f" seed{'s' * (len(own) > 1)} {', '.join(map(str, own))}" if own else ""
        yield f"{what}{numbers}: {note}"


def _what(record: Record, seen: Seen) -> str:
    cell = record.cell
    return f"{seen.of('dataset', cell.dataset)} / {seen.of('corruption', cell.corruption)}"


def _of_controls(table: Table) -> str:
    twins = Counter(control for control, _ in {(c, s) for _, c, s in table.sets})
    if twins["initial"] or twins["permuted"]:
        return (
            f"untrained twins: {twins['initial']} at initial weights, {twins['permuted']} permuted"
        )
    return "no untrained twins were run: whether a score comes from what was learned is not known"


def _lacking(records: Sequence[Record], table: Table) -> Iterator[str]:
    """Yield which twins were asked for and are lacking among the floors, and why."""
    there = {control for _, control, _ in table.sets}
    why: dict[str, set[str]] = defaultdict(set)
    for record in records:
        control, explained = record.cell.control, record.cell.anomaly_key in table.kinds
        if control in TWINS and explained and control not in there and record.state == "skipped":
            why[record.reason].add(control)
    for reason, controls in sorted(why.items()):
        names = ", ".join(sorted(controls))
        yield f"floors that are lacking: untrained twins ({names}), skipped: {reason}"


def _of_own_errors(table: Table) -> Iterator[str]:
    """Yield who has no loss-ablated form beside others that have one."""
    there = any(control == ABLATED for _, control, _ in table.sets)
    names = [table.shown("explainer", name) for name in table.records if table.own_error[name]]
    if there and names:
        yield (
            "no loss-ablated form, as the explainer compares x with x̂ itself and does not (only) "
            f"ask for the error map: {', '.join(names)}"
        )


def _of_later_floors(records: Sequence[Record]) -> Iterator[str]:
    """Yield the floors of today that a run with floors did not know yet."""
    roles = {record.cell.explainer.name: record.role for record in records}
    kinds: tuple[Kind, Kind] = ("images", "series")
    of_all, known = _floors("rows"), dict[str, None]()
    for floors in map(_floors, kinds):
        if not roles.keys() & floors <= set(of_all):  # it has some that are theirs alone
            known |= dict.fromkeys(floors)
    later = [name for name in known or of_all if name not in roles]
    if "reference" in roles.values() and later:
        yield f"floors that came later are lacking: {', '.join(later)}"


def _floors(kind: Kind) -> list[str]:
    """Return the names of the floors that stand on every board of such samples."""
    return [one.name for one in planning.standing(kind) if planning.role(one) == "floor"]


def _of_lineages(table: Table) -> Iterator[str]:
    """Yield which groups bear one name and are not the same, where stores were merged."""
    own = {table.block(r.cell) for rs in table.records.values() for r in rs if r.cell.lineage}
    if own:
        yield (
            f"{', '.join(sorted(own))}: stores were merged that have other weights or anomalies of "
            "the same recipe; these are groups of their own, and nobody is ranked who lacks one"
        )


def _of_earlier(records: Sequence[Record]) -> Iterator[str]:
    """Yield that twins are not drawn as they are today, where they are not."""
    if any(r.cell.control in TWINS and r.cell.control_version == 1 for r in records):
        yield "untrained twins are those of an earlier aexbench: the same ones for every seed"


def _alarms(records: Sequence[Record], seen: Seen) -> Iterator[str]:
    """Yield for each set of labels how many rows raise an alarm, over its seeds."""
    own: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for record in records:
        if record.cell.corruption.name == LABELS:
            own[_what(record, seen)].append(record.anomalies)
    for what, reports in own.items():
        if not all(isinstance(report.get(name), int) for report in reports for name in ALARMS):
            yield f"{what}: made by an earlier aexbench: rows that raise no alarm count, too"
        elif any(report["alarmed"] < report["found"] for report in reports):
            yield (
                f"{what}: {_range(reports, 'alarmed')} of {_range(reports, 'found')} labelled rows "
                f"raise an alarm, in {_range(reports, 'alarmed_units')} of "
                f"{_range(reports, 'units')} units; no mean counts others: --by alarm shows them"
            )


def _leaks(records: Sequence[Record], seen: Seen) -> Iterator[str]:
    """Yield where labels judge what corruptions have borrowed from."""
    borrowing = {r.cell.dataset.text for r in records if alarms.borrowed(r.cell.corruption)}
    for record in records:
        cell = record.cell
        later = cell.corruption.parameters.get("half") == "later"
        of_labels = cell.corruption.name == LABELS and cell.dataset.text in borrowing
        if of_labels and not later:
            yield (
                f"{_what(record, seen)} judges incidents that corruptions have borrowed from: "
                "labels[half=later] judges the others"
            )
            borrowing.remove(cell.dataset.text)


def _range(reports: Sequence[Mapping[str, Any]], name: str) -> str:
    values = [report[name] for report in reports]
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"


def _without_scores(records: Sequence[Record], seen: Seen) -> list[str]:
    """Return a line for each explainer that has no score at all, and why."""
    own: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.cell.plain:
            own[seen.of("explainer", record.cell.explainer)].append(record)
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
    # which may be above normal ones by little
    like_alarms = report.get("threshold") in ("alarm", "alarms")
    if isinstance(gain, int | float) and gain < LEAST_GAIN and not like_alarms:
        yield (
            f"the median score rose by {gain:.2f} alone: clean samples were nearly as "
            "anomalous, and their corruption is no cause to be found"
        )
    if isinstance(distinct, int) and isinstance(made, int) and distinct < made / 4:
        yield f"only {distinct} distinct pairs of row and feature among {made} anomalies"


def _left_out(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield how many labelled rows are no anomalies to be explained, where there are such."""
    dropped, known = report.get("without_cause"), report.get("labelled", report.get("found"))
    if isinstance(dropped, int) and dropped > 0 and isinstance(known, int):
        every = dropped + known
        yield f"{dropped} of {every} labelled rows have no true feature and are left out"


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
