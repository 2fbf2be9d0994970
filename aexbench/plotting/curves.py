"""`curves`: the paper's Figure 2, recall over m = 1 … M, derived from stored attributions.

Means are the board's own: of samples within units, of units within groups.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aexbench import families
from aexbench.board.leaderboard import Board
from aexbench.board.sections import CEILING, Row, Section
from aexbench.board.shortening import left_out, short
from aexbench.board.table import Table
from aexbench.components import Component, component
from aexbench.contracts import AnomalySet
from aexbench.errors import RequestError
from aexbench.plotting.choosing import CHANCE, Wanted, heading
from aexbench.plotting.drawing import altair, values
from aexbench.plotting.looks import DASHES, Look
from aexbench.plotting.names import fold
from aexbench.plotting.parts import below_title, ticks
from aexbench.running import scoring
from aexbench.running.packed import AnyStore, Packed
from aexbench.running.store import Record, Scores

MOST_FEATURES = 1000  # of a sample: pixels are no features
ALL_UP_TO, STEPS = 64, 48  # every m, and how many of more features
MOST_LINEAR = 24  # features of a linear axis
MOST_PANELS, COLUMNS = 12, 3
WIDTH, HEIGHT = 250, 190
NAME, PANEL = 40, 44  # characters of a line of a name in the key and above a panel
OTHERS = "other explainers"
ABOUT = "recall at m: the share of true features among the m highest attributions"
FIRST_LINES = "split(datum.label, '\\n')"


@dataclass(frozen=True)
class Curve:
    """One explainer's recall at each m in one group."""

    group: str
    explainer: str
    role: str
    recall: Mapping[int, float]
    title: str = ""


def steps(features: int) -> list[int]:
    """Return at which m recall is drawn: at all, of many features at some.

    >>> steps(3), len(steps(500)), steps(500)[-1]
    ([1, 2, 3], 39, 500)
    """
    if features <= ALL_UP_TO:
        return list(range(1, features + 1))
    places = np.geomspace(1, features, STEPS).round()
    return [int(m) for m in np.unique(places)]


def metric(m: int) -> Component:
    """Return recall at m."""
    return component(families.metrics, f"recall[top={m}]")


def curves(
    store: AnyStore, records: Sequence[Record], section: Section, groups: Sequence[str]
) -> list[Curve]:
    """Return the curves of a section's groups, of explainers, floors and references.

    Raises
    ------
    RequestError
        If the store has no attributions, or those of images.
    """
    if isinstance(store, Packed):
        raise store.lacks("attributions, which curves derive from")
    table = Table()
    for record in records:
        if record.state == "ok" and record.cell.plain:
            _add(table, store, record, groups)
    return [
        _curve(table, section, group, row)
        for group in groups
        for row in section.rows
        if group in row.by_group
    ]


def _add(table: Table, store: AnyStore, record: Record, groups: Sequence[str]) -> None:
    """Take in a record's recall at all m, if its group is drawn."""
    anomalies = store.anomalies_of(record)
    names = {table.group(record, str(label), True) for label in np.unique(anomalies.label)}
    if names.isdisjoint(groups):
        return
    found = [metric(m) for m in steps(_features(anomalies))]
    scores = scoring.of_cell(record.cell, store.read_attributions(record), anomalies, found)
    infos = {one.text: scoring.info(one) for one in found}
    own = Scores(scores, infos, anomalies.unit, anomalies.label, anomalies.alarmed)
    table.add(record, own)


def _features(anomalies: AnomalySet) -> int:
    """Return how many features each sample has, whose columns are one where they are grouped."""
    grouped = anomalies.features.any_groups(anomalies.truth[:1])
    features = int(np.prod(grouped.shape[1:]))
    if features > MOST_FEATURES:
        raise RequestError(
            f"these samples have {features} features: curves are of {MOST_FEATURES} at most "
            "(images have groups, ranks and pareto)"
        )
    return features


def _curve(table: Table, section: Section, group: str, row: Row) -> Curve:
    found, name = {}, row.explainer
    for text in table.metrics:
        seeds = table.of((name, "none"), text, section.kind).get(group, {})
        if seeds:
            means = [of_units.mean() for of_units, _ in seeds.values()]
            found[_m(text)] = float(np.mean(means))
    return Curve(group, name, row.role, dict(sorted(found.items())), row.title)


def _m(text: str) -> int:
    """Return the m of a metric's name."""
    return int(component(families.metrics, text).parameters["top"])


def data(found: Sequence[Curve], chosen: Sequence[str]) -> list[dict[str, Any]]:
    """Return one line for each point; `series` is a chosen explainer's place, and else what stands
    back: a floor, a reference, or `other`.
    """
    return [
        {
            "group": curve.group,
            "line": f"{curve.role} {curve.explainer}",
            "series": series(curve, chosen),
            "front": curve.role == "explainer" and curve.explainer in chosen,
            "m": m,
            "recall": recall,
        }
        for curve in found
        for m, recall in curve.recall.items()
    ]


def series(curve: Curve, chosen: Sequence[str]) -> str:
    """Return how a curve is drawn and called."""
    if curve.role == "explainer" and curve.explainer not in chosen:
        return OTHERS
    said = {"explainer": "", "floor": " (floor)", "reference": ""}[curve.role]
    return fold((curve.title or curve.explainer) + said, NAME)


def leading(section: Section, wanted: Wanted) -> list[str]:
    """Return which explainers are drawn in colour: those asked for, or the board's first."""
    known = [row.explainer for row in section.rows if row.role == "explainer"]
    wanted.check(known)
    if len(wanted.explainers) > len(DASHES):
        raise RequestError(f"at most {len(DASHES)} curves are told apart: name fewer with -e")
    return list(wanted.explainers) or known[: len(DASHES)]


def panels(section: Section, wanted: Wanted) -> list[str]:
    """Return the groups that are drawn; RequestError where they are too many to be read."""
    groups = wanted.groups(sorted(section.groups))
    if len(groups) > MOST_PANELS:
        raise RequestError(
            f"{len(groups)} groups are too many to be read: --only TEXT draws those whose name "
            f"holds the text, at most {MOST_PANELS}, such as --only '{groups[0]}'"
        )
    return groups


def chart(
    board: Board, section: Section, wanted: Wanted, colours: Look, found: Sequence[Curve]
) -> Any:
    """Return a section's chart: one panel a group."""
    alt, chosen = altair(), leading(section, wanted)
    if wanted.explainers:
        found = [one for one in found if one.role != "explainer" or one.explainer in chosen]
    groups = list(dict.fromkeys(curve.group for curve in found))
    names = short([section.shown_group(group) for group in groups])
    title = alt.TitleParams(
        heading(board, section), subtitle=[ABOUT, *below_title(left_out(names))]
    )
    return beside(found, dict(zip(groups, names.values(), strict=True)), chosen, title, colours)


def beside(
    found: Sequence[Curve],
    names: Mapping[str, str],
    chosen: Sequence[str],
    title: Any,
    colours: Look,
) -> Any:
    """Return a panel for each group, by the names that people see, under one title."""
    alt = altair()
    made = [
        _panel(alt, [c for c in found if c.group == group], name, chosen, colours)
        for group, name in names.items()
    ]
    return alt.concat(*made, columns=COLUMNS, spacing=20, title=title)


def _panel(alt: Any, curves: Sequence[Curve], name: str, chosen: Sequence[str], c: Look) -> Any:
    rows, looks = data(curves, chosen), _looks(curves, chosen, c)
    colours, dashes = (
        alt.Scale(domain=list(looks), range=[look[i] for look in looks.values()]) for i in range(2)
    )
    legend = alt.Legend(title=None, symbolSize=400, labelExpr=FIRST_LINES)
    base = alt.Chart(values(alt, rows)).encode(
        x=_features_axis(alt, max(row["m"] for row in rows)),
        y=alt.Y("recall:Q", title="recall", scale=alt.Scale(domain=[0, 1])),
        detail="line:N",
        color=alt.Color("series:N", scale=colours, legend=legend),
        strokeDash=alt.StrokeDash("series:N", scale=dashes, legend=legend),
    )
    lines = [
        base.transform_filter(f"datum.front === {front}").mark_line(strokeWidth=width)
        for front, width in (("false", 1), ("true", 2))
    ]
    title = alt.TitleParams(fold(name, PANEL).split("\n"), fontSize=11)
    return alt.layer(*lines).properties(width=WIDTH, height=HEIGHT, title=title)


def _features_axis(alt: Any, last: int) -> Any:
    """Return the axis of m; it is logarithmic where the features are many."""
    if last <= MOST_LINEAR:
        axis = alt.Axis(values=list(range(1, last + 1, math.ceil(last / 8))), format="d")
        return alt.X("m:Q", title="m [features]", axis=axis, scale=alt.Scale(domain=[1, last]))
    axis, scale = alt.Axis(values=ticks(1, last), format="d"), alt.Scale(type="log", nice=False)
    return alt.X("m:Q", title="m [features]", axis=axis, scale=scale)


def _looks(
    curves: Sequence[Curve], chosen: Sequence[str], c: Look
) -> dict[str, tuple[str, list[int]]]:
    """Return colour and dashes of each series, in the order of the key."""
    titles = {curve.explainer: curve.title or curve.explainer for curve in curves}
    in_front = [fold(titles.get(name, name), NAME) for name in chosen]
    behind = [series(curve, chosen) for curve in curves if curve.role == "floor"]
    floors = dict(zip(behind, itertools.cycle(DASHES[1:]), strict=False))
    looks = dict(zip(in_front, zip(c.lines, DASHES, strict=True), strict=False))
    thin = {OTHERS: [1, 0], **floors, CEILING: [9, 2], CHANCE: [1, 3]}
    looks |= {name: (c.soft, dashes) for name, dashes in thin.items()}
    drawn = {series(curve, chosen) for curve in curves}
    return {name: look for name, look in looks.items() if name in drawn}
