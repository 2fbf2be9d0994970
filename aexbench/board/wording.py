"""What a board says beside its tables, in words: each column, mark and bracket in a line of its
own, and what the section could have found.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from aexbench.board import figures, meanings, predicted
from aexbench.board.comparing import LEAST_UNITS
from aexbench.board.power import MOST_SEEDS
from aexbench.board.ranking import leader, tied
from aexbench.board.said import Said
from aexbench.running.controls import ABLATED, TWINS
from aexbench.texts import counted

if TYPE_CHECKING:
    from aexbench.board.grouping import Groups
    from aexbench.board.leaderboard import Board
    from aexbench.board.sections import Row, Section

TITLES = {
    ("corruptions", "cause"): "Injected causes (corruptions)",
    ("labels", "cause"): "Labelled causes (labels)",
    ("labels", "symptom"): "Labelled symptoms (labels)",
    ("labels", "both"): "Labelled causes that are the symptoms too (labels)",
    ("labels", ""): "Labels",
}
SIGNS = ("#", "±", figures.TIED, "gain", figures.BELOW)  # of a main table
CARD = "validity card"
BOLD = "bold"  # where the best can be bold


COST = (
    Said("one sample", "the median time of one explanation ± half the interquartile range"),
    Said(
        "rows",
        "what a sample asks of the network forward and backward, by its products and convolutions, "
        "in reconstructions of one row",
    ),
)
DETECTORS = (
    Said("error", "of validation, in units of the best constant sample's"),
    Said("ROC-AUC, AP", "how well the error finds labelled anomalies; chance has the last column"),
    Said("detector", "an explanation of one that detects nothing means nothing"),
)


def title(section: Section) -> str:
    """Return the headline of a section."""
    kind = section.kind
    of = " of the given network" if kind.target == "network" else ""
    return TITLES.get((kind.origin, kind.truth), f"Labels ({kind.truth})") + of


def lines(section: Section, board: Board) -> Iterator[str]:
    """Yield all that a reader must know of a section."""
    yield from map(str, (*above(section, board), *below(section, board)))


def above(section: Section, board: Board) -> Iterator[Said]:
    """Yield what stands above a section's table: what ranks and why, and what is the sample."""
    better = "higher" if section.higher else "lower"
    meaning = _sentence(board.meanings.get(section.metric, ""))
    why = board.why if section.metric == board.primary else ""
    said = [f"{board.metrics[section.metric]}, {better} is better{meaning}", why.strip()]
    yield Said("ranked by", " ".join(filter(None, said)))
    yield Said("about", f"{_target(section)}; {_averaged(section)}")
    if section.kind.origin == "corruptions":
        yield from (Said(CARD, said) for said in predicted.said(section, board))


def _averaged(section: Section) -> str:
    """Return what a score is a mean over."""
    groups = section.averaged
    if groups is None:
        return "every incident counts the same"
    return "one group" if groups == 1 else f"the mean over {groups} groups, each counts the same"


def _sentence(meaning: str) -> str:
    return f": {meaning}." if meaning else "."


def below(section: Section, board: Board) -> Iterator[Said]:
    """Yield what stands below a section's table: its columns and marks, and what it could have
    found.
    """
    others = (name for name in board.metrics if name != section.metric)
    for name in others:
        if board.meanings.get(name) and any(name in row.scores for row in section.rows):
            yield Said(board.metrics[name], board.meanings[name])
    yield from _places(section)
    if any(row.latency_s is not None for row in section.rows):
        yield Said("latency", "the median time of one explanation")
    yield from _floors(section)
    yield from _levels(section, board)
    yield from _sure(section, board)
    incomplete = [row.shown for row in section.rows if row.note == "incomplete"]
    if incomplete:
        yield Said("incomplete", f"and so not ranked: {', '.join(incomplete)}")


def _target(section: Section) -> str:
    """Return what a section's figures are about."""
    if section.target == "network":
        return "this network; its anomalies are the sample"
    least, most = section.seeds
    if least == most == 1:
        return (
            "detectors trained anew; their seeds are the sample, and one seed has no interval "
            "(--seeds 5 gives one)"
        )
    often = str(most) if least == most else f"{least} to {most}"
    return f"detectors trained anew; {often} seeds are the sample"


def _places(section: Section) -> Iterator[Said]:
    """Yield what the places of rows mean, and their intervals."""
    if leader(section) is None:
        return
    yield Said("#", "the first and last place that the row may have, 95 % for all pairs at once")
    if any(row.scores[section.metric].low is not None for row in section.rows):
        yield Said("±", "half of the 95 % interval of the row's own mean")
    if any(tied(row, section) for row in section.rows):
        yield Said(figures.TIED, "may be first as well: not surely worse than the first row")


def _floors(section: Section) -> Iterator[Said]:
    """Yield what floors and gains mean, where there are some."""
    known = [row.gain for row in section.rows if row.gain is not None]
    if not known:
        return
    said = "the best score without what the detector has learned"
    yield Said("best floor", f"{said}: {_or(list(_kinds_of_floors(section)))}")
    yield Said("gain", _gain(section, any(gain.low is not None for gain in known)))
    below = [row.shown for row in section.rows if row.note == "not above its floor"]
    if below:
        yield Said(figures.BELOW, f"not shown to be above every floor: {', '.join(below)}")
    for row in section.rows:
        if row.role == "floor" and (text := meanings.of_explainer(row.explainer)):
            yield Said(f"{row.shown} (floor)", text)
    part = [row for row in section.rows if row.role == "floor" and not row.complete]
    if part:
        own = (f"{row.shown} in {len(row.by_group)} of {len(section.groups)}" for row in part)
        yield Said("in part", f"scored in some groups, and compared in these: {', '.join(own)}")


def _kinds_of_floors(section: Section) -> Iterator[str]:
    """Yield where scores of floors come from, of those that there are."""
    if any(row.role == "floor" for row in section.rows):
        yield "of the floors"
    if set(TWINS).intersection(section.controls):
        yield "of untrained twins"
    if ABLATED in section.controls:
        yield "without an error map"


def _or(parts: Sequence[str]) -> str:
    """Return alternatives in words.

    >>> _or(["red"]), _or(["red", "blue"]), _or(["red", "blue", "green"])
    ('red alone', 'red or blue', 'red, blue, or green')
    """
    *others, last = parts
    if not others:
        return f"{last} alone"
    return f"{', '.join(others)}{',' * (len(others) > 1)} or {last}"


def _gain(section: Section, sure: bool) -> str:
    """Return what a gain is, and its bound where there is one."""
    bound = " [at least, with 97.5 % over every floor and by Holm over the rows]" if sure else ""
    if section.higher:
        return f"the score minus its best floor{bound}"
    return f"its best floor minus the score: more is better{bound}"


def _sure(section: Section, board: Board) -> Iterator[Said]:
    """Yield what the section could have found."""
    if not section.detectable:  # nobody can know, or nothing differs
        return
    metric = board.metrics[section.metric]
    yield Said(
        "detectable",
        f"a difference of {section.detectable:.3f} in {metric}: four such boards of five would "
        "find it between two rows that were named beforehand (the median pair); that a smaller one "
        "is not found does not say that there is none",
    )
    first, second = (row.shown for row in section.rows[:2])
    if section.target == "recipe" and tied(section.rows[1], section):
        needed = section.settling
        often = f"more than {MOST_SEEDS} seeds" if needed is None else counted(needed, "seed")
        yield Said(
            "seeds", f"{first} and {second} would be told apart by {often}, if they differ as shown"
        )


def _levels(section: Section, board: Board) -> Iterator[Said]:
    """Yield what chance reaches, and what the truth does."""
    rows = {row.note: row for row in section.rows if row.role == "reference"}
    if {"chance", "the truth"} <= rows.keys():
        shown = [
            f"{text} {_mean(rows['chance'], name)} to {_mean(rows['the truth'], name)}"
            for name, text in board.metrics.items()
            if name in rows["the truth"].scores  # metrics without truth have neither
        ]
        yield Said("chance to ceiling", f"{', '.join(shown)} (the truth as attribution)")


def _mean(row: Row, metric: str) -> str:
    return f"{row.scores[metric].mean:z.2f}" if metric in row.scores else "–"


def groups_above(groups: Groups) -> Iterator[Said]:
    """Yield what the names of groups and explainers leave out."""
    if groups.shared:
        yield Said("all groups", " / ".join(groups.shared))
    if groups.dropped:
        yield Said("names in full", ", ".join(groups.dropped))


def groups_below(marks: Collection[str], best: str = BOLD) -> Iterator[Said]:
    """Yield what the marks in a table by group mean; `best` is that of the best."""
    if figures.BEST in marks:
        yield Said(best, "the best explainer of a group; ties alike, floors and references never")
    if figures.BELOW in marks:
        yield Said(figures.BELOW, "not shown to be above every floor in that group")
    if figures.FEW in marks:
        yield Said(
            figures.FEW,
            f"fewer than {LEAST_UNITS} units (source rows, incidents): such a group shows nothing "
            "by itself, and is held to no floor",
        )
