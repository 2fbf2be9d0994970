"""An explanation in sentences: the answer, why this explainer, and how sure it is."""

from __future__ import annotations

from aexbench.errors import plain
from aexbench.explaining.parts import (
    Category,
    Column,
    Explanation,
    Feature,
    Lead,
    Steps,
    Vote,
    Window,
)
from aexbench.explaining.wording import (
    apart,
    decimals,
    in_steps,
    listed,
    long,
    number,
    percent,
    quoted,
)
from aexbench.texts import counted

HEAVY = 0.5  # of the error of normal samples: more than all other features together


def sentence(one: Explanation) -> str:
    """Return the answer in one sentence: the alarm, the first feature, and what is odd about it."""
    return f"{one.label} {_alarm(one)}: {_named(one)}."


def _alarm(one: Explanation) -> str:
    if one.error_alarm is None or one.score is None or one.alarm is None:
        return f"has the error {one.error:.3g} (not calibrated: nobody knows if that is an alarm)"
    if one.score == one.alarm and one.error != one.error_alarm:  # the scale ends at 0 and 1
        what, pair = "has the error", (f"{one.error:.4g}", f"{one.error_alarm:.4g}")
    else:
        what, pair = "scores", apart(one.score, one.alarm)
    if one.error > one.error_alarm:
        return f"{what} {pair[0]}, above its alarm at {pair[1]}"
    return f"{what} {pair[0]} and raises no alarm (above {pair[1]})"


def _named(one: Explanation) -> str:
    """Return what the explainer names first, and what is odd about it."""
    first, explainer = one.features[0], quoted(one.explainer)
    names = one.votes[0].first
    if not names:
        return f"{explainer} tells no feature from another"
    if len(names) > 1:
        return f"{explainer} names {listed(names)} first alike, each {_share(one)}"
    if first.share is None:
        highest = f"the highest is that of {quoted(first.name)}, {first.attribution:.3g}"
        return f"{explainer} names no feature, as no attribution is above 0; {highest}"
    named = f"{explainer} names {quoted(first.name)} first ({_share(one)}{_when(one)})"
    return f"{named}: {odd(first, one.kind)}"


def _when(one: Explanation) -> str:
    """Return at which steps of a window the first feature's relevance lies."""
    if one.window is None or one.features[0].steps is None:
        return ""
    return f", {lies(one.features[0].steps, one.window)}"


def lies(steps: Steps, window: Window) -> str:
    """Return where half of the relevance lies, in steps and in the source's rows."""
    if long(steps, window):
        return "spread over the window"
    return f"half at {in_steps(steps)}{_in_rows(steps, window)}"


def when(window: Window) -> str:
    """Return which steps of a window carry the most, and what steps are in the source."""
    counted_from = "Steps count from 0"
    if window.first_row is not None:
        counted_from += f", which is row {window.first_row}"
    told = "none above 0" if window.steps is None else lies(window.steps, window)
    return f"Relevance of the whole window, by step: {told}. {counted_from}."


def _in_rows(steps: Steps, window: Window) -> str:
    if window.first_row is None:
        return ""
    first, last = (window.first_row + step for step in steps)
    return f", row {first}" if first == last else f", rows {first}–{last}"


def _share(one: Explanation) -> str:
    first = one.features[0]
    if first.share is None:
        return f"with an attribution of {first.attribution:.3g}"
    some = any(feature.attribution < 0 for feature in one.features)
    return f"{percent(first.share)} of the {'positive ' if some else ''}attribution"


def odd(feature: Feature, kind: str = "rows") -> str:
    """Return a feature's value, what is usual there and what the network expected.

    Of several columns it is the one with the greatest share of the error.
    """
    if feature.category is not None:
        return _category(feature.category, kind)
    column = feature.leading
    own = _number(column, kind)
    return (
        own
        if len(feature.columns) == 1
        else f"most of its error is in {quoted(column.name)}, {own}"
    )


def _category(category: Category, kind: str) -> str:
    value, expected = quoted(category.value), quoted(category.expected)
    if category.frequency is None:
        shares = ""
    elif category.frequency == 0:
        shares = f", as in no normal {kind}"
    else:
        shares = f", as in {percent(category.frequency)} of normal {kind}"
    if category.value == category.expected:
        return f"{value}{shares}, as the network expected"
    return f"{value}{shares}, where the network expected {expected}"


def _number(column: Column, kind: str) -> str:
    places = decimals(column)
    value, expected = number(column.value, places), number(column.expected, places)
    told = f"the network expected {expected}"
    usual = column.usual
    if usual is None:
        return f"{value}, where {told}"
    low, high = number(usual.low, places), number(usual.high, places)
    if usual.low == usual.high:
        most = f"90 % of normal {kind} and more"
        like = f"like {most}" if column.value == usual.low else f"where {most} have {low}"
        return f"{value}, {like}, and {told}"
    between = f"90 % of normal {kind} lie between {low} and {high}"
    if usual.low <= column.value <= usual.high:
        return f"{value}, usual by itself as {between}, but {told}"
    return f"{value}, where {between}, and {told}"


def heavy(one: Explanation) -> str:
    """Return that the first feature has most of the error of normal samples too, if it has."""
    first = one.features[0]
    usual = first.usual_error_share
    if usual is None or usual < HEAVY or len(one.features) == 1:
        return ""
    held = f"{quoted(first.name)} has {percent(usual)} of the error of normal {one.kind} too"
    return f"{held} (median): in these units the loss weighs it above all others."


def how_sure(lead: Lead | None) -> str:
    """Return how far the first feature is ahead, against the spread of that."""
    if lead is None:
        return "There is one feature only."
    ahead = f"{quoted(lead.first)} leads {quoted(lead.second)} by {lead.gap:.2g}"
    if lead.by == "nothing":
        return f"{ahead}, the same in every draw."
    if lead.by == "one draw":
        return f"{ahead}, in one draw: nobody knows how much that varies."
    if lead.by == "standard error":
        return f"{ahead}, with a standard error of {lead.spread:.2g}."
    first = f"it is first in {lead.same_first} of {counted(lead.draws, 'draw')}"
    return f"{ahead} ± {lead.spread:.2g} from draw to draw; {first}."


def agreement(votes: tuple[Vote, ...]) -> str:
    """Return whether the explainers name the same feature first; the first vote is the answer's."""
    ran = [vote for vote in votes if not vote.reason]
    reasons: dict[str, list[str]] = {}
    for vote in votes:
        if vote.reason:
            reasons.setdefault(vote.reason, []).append(vote.explainer)
    unable = [f"{listed(names)} cannot run: {plain(why)}." for why, names in reasons.items()]
    return " ".join([_agreed(ran), *unable])


def _agreed(ran: list[Vote]) -> str:
    first, count = ran[0].first, len(ran)
    if count == 1:
        return "No other explainer was asked, or could run."
    if not first:
        return f"Of {count} explainers this one tells no feature from another."
    others = [vote for vote in ran if not set(vote.first) & set(first)]
    same = count - len(others)
    head = f"{same} of {count} explainers name" if same > 1 else f"Only this of {count} names"
    if same == count:
        head = f"{'Both' if count == 2 else f'All {count}'} explainers name"
    return "; ".join([f"{head} {listed(first)} first", *_others(others)]) + "."


def _others(votes: list[Vote]) -> list[str]:
    """Return what explainers name instead, those together that name the same."""
    by_first: dict[tuple[str, ...], list[str]] = {}
    for vote in votes:
        by_first.setdefault(vote.first, []).append(vote.explainer)
    return [_instead(first, names) for first, names in by_first.items()]


def _instead(first: tuple[str, ...], names: list[str]) -> str:
    verb = "names" if len(names) == 1 else "name"
    return f"{listed(names)} {verb} {listed(first) if first else 'none'}"
