"""What a section says beside its table, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aexbench.board import predicted
from aexbench.board.comparing import LEAST_UNITS, enough_units
from aexbench.board.power import MOST_SEEDS
from aexbench.texts import counted

if TYPE_CHECKING:
    from aexbench.board.leaderboard import Board
    from aexbench.board.sections import Row, Section

TITLES = {
    ("corruptions", "cause"): "Injected causes (corruptions)",
    ("labels", "cause"): "Labelled causes (labels)",
    ("labels", "symptom"): "Labelled symptoms (labels)",
    ("labels", "both"): "Labelled causes that are the symptoms too (labels)",
    ("labels", ""): "Labels",
}
FEW = "°"  # marks groups of few units


def title(section: Section) -> str:
    """Return the headline of a section."""
    kind = section.kind
    of = " of the given network" if kind.target == "network" else ""
    return TITLES.get((kind.origin, kind.truth), f"Labels ({kind.truth})") + of


def lines(section: Section, board: Board) -> Iterator[str]:
    """Yield what a reader must know of a section."""
    yield _target(section)
    yield from _sure(section, board)
    yield from _levels(section, board)
    if section.kind.origin == "corruptions":
        yield from predicted.said(section, board)
    below = [row.explainer for row in section.rows if row.note == "not above its floor"]
    incomplete = [row.explainer for row in section.rows if row.note == "incomplete"]
    if below:
        yield f"Not above its floor: {', '.join(below)}."
    if incomplete:
        yield f"Incomplete, and so not ranked: {', '.join(incomplete)}."
    if not all(map(enough_units, section.groups.values())):
        yield f"{FEW} Fewer than {LEAST_UNITS} units: such a group shows nothing by itself."


def _target(section: Section) -> str:
    """Return what a section's figures are about."""
    if section.target == "network":
        return "About this network: its anomalies are the sample."
    least, most = section.seeds
    if least == most == 1:
        return (
            "About detectors trained anew: their seeds are the sample, and one seed has no "
            "interval. --seeds 5 gives one."
        )
    often = str(most) if least == most else f"{least} to {most}"
    return f"About detectors trained anew: {often} seeds are the sample."


def _sure(section: Section, board: Board) -> Iterator[str]:
    """Yield what the section could have found."""
    if not section.detectable:  # nobody can know, or nothing differs
        return
    metric = board.metrics[section.metric]
    yield (
        f"Four such boards of five would find a difference of {section.detectable:.3f} in "
        f"{metric} between two rows that were named beforehand (the median pair)."
    )
    first, second = (row.explainer for row in section.rows[:2])
    if section.target == "recipe":
        needed = section.settling
        often = f"more than {MOST_SEEDS} seeds" if needed is None else counted(needed, "seed")
        yield f"{first} and {second} would be told apart by {often}, if they differ as shown."


def _levels(section: Section, board: Board) -> Iterator[str]:
    """Yield what chance reaches, and what the truth does."""
    rows = {row.note: row for row in section.rows if row.role == "reference"}
    if {"chance", "the truth"} <= rows.keys():
        shown = [
            f"{text} {_mean(rows['chance'], name)} to {_mean(rows['the truth'], name)}"
            for name, text in board.metrics.items()
            if name in rows["the truth"].scores  # metrics without truth have neither
        ]
        yield f"From chance to ceiling: {', '.join(shown)}."


def _mean(row: Row, metric: str) -> str:
    return f"{row.scores[metric].mean:.2f}" if metric in row.scores else "–"
