"""The paper's claims, one by one: what a store's runs say of each, by the rules of `verdicts`."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aexbench.board.alike import CONTROLS
from aexbench.board.comparing import Estimate
from aexbench.board.table import Key
from aexbench.paper import costs, figure2, table1, tried
from aexbench.paper.published import (
    CORRUPTIONS,
    LEAST_FACTOR,
    LRP,
    OF_FIGURE_2,
    OF_TABLE_1,
    QUOTES,
    RESIDUAL,
    SHAP,
    TABLE_1,
)
from aexbench.paper.scored import PLAIN, Block
from aexbench.paper.table1 import Damage
from aexbench.paper.verdicts import NO, YES, Found, above, averaged, below, every, unknown
from aexbench.paper.view import Part, times

GOOD = 0.5  # of recall at m
MARGIN = 0.1  # of recall, within which LRP is comparable to KernelSHAP
LOSSES = ("l1", "l2")
DEPTHS = (1, 3)  # the m that claims about Figure 2 are asked at
HEADS = ("claim", "where", "verdict", "what these runs have")
OURS = "(no claim of the paper's) LRP is above every floor, twin and its loss-ablated form"


class Claim(NamedTuple):
    """One line: the paper's words or ours, where they are asked, and what was found."""

    text: str
    where: str
    found: Found


@dataclass(frozen=True)
class Curves:
    """Claims about Figure 2, of one detector at one m."""

    block: Block
    metric: str

    def key(self, name: str) -> Key | None:
        """Return the row that stands for a curve of the paper."""
        text = self.block.of(OF_FIGURE_2[name])
        return None if text is None else (text, PLAIN)

    def level(self, name: str, corruption: str, rule: Callable[..., Found]) -> Found:
        """Return whether a curve is above or below one half."""
        key = self.key(name)
        if key is None or not self.block.has([key], self.metric, [corruption]):
            return unknown(f"{name} on {corruption} is not here")
        own = self.block.level(key, self.metric, corruption)
        return rule(own, GOOD, f"{name} on {corruption}")

    def good(self, name: str, corruptions: Sequence[str]) -> Found:
        """Return whether a curve is good on corruptions."""
        return every([self.level(name, one, above) for one in corruptions])

    def difference(self, name: str, other: str, bound: float) -> Found:
        """Return whether a curve lies so far above another one, over all corruptions."""
        one, two = self.key(name), self.key(other)
        if one is None or two is None or not self.block.has([one, two], self.metric, CORRUPTIONS):
            return unknown(f"{name} and {other} are not both here on all three corruptions")
        own = self.block.difference((one, two), self.metric, CORRUPTIONS)
        return above(own, bound, f"{name} − {other}")

    def over_floors(self) -> Found:
        """Return whether LRP is above all that knows nothing."""
        lrp = self.key(LRP)
        if lrp is None:
            return unknown("LRP is not here")
        if not self.block.has([lrp], self.metric, CORRUPTIONS):
            return unknown("LRP is not here on all three corruptions")
        floors = {name: (name, PLAIN) for name in self.block.roles("floor")}
        floors |= {title: (lrp[0], control) for control, title in CONTROLS.items()}
        found = [self._over(lrp, key, name) for name, key in floors.items()]
        verdict = every([one for _, one in found]).verdict
        decisive = (one for one in found if one[1].verdict == verdict)
        return Found(verdict, min(decisive, key=lambda one: one[0])[1].evidence)

    def _over(self, lrp: Key, key: Key, name: str) -> tuple[float, Found]:
        """Return how far LRP is above a floor, and whether surely; what is not here comes first."""
        if not self.block.has([lrp, key], self.metric, CORRUPTIONS):
            return -math.inf, unknown(f"{name} is not here on all three corruptions")
        own = self.block.difference((lrp, key), self.metric, CORRUPTIONS)
        return own.value, above(own, 0.0, f"LRP − {name}")


def of_figure_2(block: Block) -> Part:
    """Return the claims about Figure 2 and its costs, of one detector."""
    known = figure2.metrics(block.table)
    found = [c for m in DEPTHS if m in known for c in _curves(Curves(block, known[m]), f"m = {m}")]
    order = dict.fromkeys(claim.text for claim in found)
    lines = [claim for text in order for claim in found if claim.text == text]
    said = [*RULES, _sample(block), tried.FIGURE_2]
    return _part(f"Claims of Section 4.1: {block.shown}", [*lines, _faster(block)], said)


def _curves(asked: Curves, where: str) -> Iterator[Claim]:
    """Yield what the paper says of Figure 2."""
    both = CORRUPTIONS[:2]
    poor = asked.level(RESIDUAL, "adversarial", below)
    more = [asked.difference(name, RESIDUAL, 0.0) for name in (SHAP, LRP)]
    yield Claim(_quoted("residual is good"), where, asked.good(RESIDUAL, both))
    yield Claim(_quoted("residual is poor"), where, poor)
    yield Claim(f"{_quoted('all good')}: SHAP", where, asked.good(SHAP, CORRUPTIONS))
    yield Claim(f"{_quoted('all good')}: LRP", where, asked.good(LRP, CORRUPTIONS))
    yield Claim(_quoted("comparable"), where, asked.difference(LRP, SHAP, -MARGIN))
    yield Claim(f"{_quoted('more accurate')}: SHAP", where, more[0])
    yield Claim(f"{_quoted('more accurate')}: LRP", where, more[1])
    yield Claim(OURS, where, asked.over_floors())


RULES = (
    "the paper gives no numbers for good and poor: here the 95 % interval of recall lies above one "
    f"half, or below it; comparable: LRP is surely not {MARGIN:.2f} below KernelSHAP; more "
    "accurate: surely above the residual, in the mean over the three corruptions; faster: by a "
    "factor of a thousand or more",
    "supported: surely so; not supported: surely not so; cannot be said: the interval holds both, "
    "something is not here, or a group has fewer than 20 anomalies; an interval is as wide as its "
    "seeds or its anomalies make it, whichever is more",
)


def _sample(block: Block) -> str:
    """Return what intervals are about."""
    if block.target == "network":
        return "one network: this one alone, and its anomalies are the sample"
    seeds = len({record.cell.detector_seed for record in block.records})
    return f"detectors trained anew: {seeds} seeds are the sample"


def _faster(block: Block) -> Claim:
    """Return by what factor LRP is faster than KernelSHAP."""
    quoted, factor = _quoted("faster"), costs.factor(block, SHAP, LRP)
    if factor is None:
        return Claim(quoted, "time", unknown("not both were timed alone on one kind of machine"))
    said = f"{times(factor)} times as fast, one sample at a time"
    enough = factor >= LEAST_FACTOR
    against = costs.MORE if enough else costs.LESS
    asked = costs.shap_beside_the_papers(block)
    if asked in (against, None):
        what = "it is not known how much" if asked is None else f"{asked} than the paper's"
        return Claim(quoted, "time", unknown(f"{said}, and KernelSHAP asks {what}"))
    return Claim(quoted, "time", Found(YES if enough else NO, said))


def of_table_1(found: Sequence[Damage], metric: str) -> Part:
    """Return the claims about Table 1."""
    by_object: dict[tuple[str, str], list[Damage]] = {}
    for damage in found:
        if damage.paper is not None:
            by_object.setdefault((damage.object, damage.block.name), []).append(damage)
    claims = [_average(by_object, metric)]
    claims += [_direction(own[0].shown, own, metric) for own in by_object.values()]
    claims += [Claim(_quoted(name), "", unknown(why)) for name, why in NO_FIGURE.items()]
    sample = dict.fromkeys(_sample(damage.block) for damage in found)
    said = [IMAGE_RULES, RULES[-1], *sample, tried.TABLE_1]
    return _part("Claims of Section 4.2", claims, said)


NO_FIGURE = {
    "harder": "average precision of damages of other sizes does not compare: chance is their share "
    "of the pixels",
    "focus": "the paper gives no figure for it",
}
IMAGE_RULES = (
    "by the 95 % interval of the mean difference in average precision over the damages, LRP minus "
    "the residual, for L1 and L2 both"
)


def _average(by_object: Mapping[tuple[str, str], Sequence[Damage]], metric: str) -> Claim:
    """Return whether LRP is above the residual over all damages."""
    quoted, here = _quoted("higher"), len({d[:2] for own in by_object.values() for d in own})
    if len({name for name, _ in by_object}) < len(by_object):
        return Claim(quoted, "all", unknown("one object is here by several detectors or data"))
    if here < len(TABLE_1):
        return Claim(quoted, "all", unknown(f"{here} of {len(TABLE_1)} damages are here"))
    return Claim(quoted, "all", _higher(by_object.values(), metric, "all damages", up=True))


def _direction(name: str, own: Sequence[Damage], metric: str) -> Claim:
    """Return whether LRP differs from the residual on an object as in Table 1."""
    papers = [damage.paper for damage in own if damage.paper is not None]
    gaps = [p.lrp_l1 - p.residual_l1 + p.lrp_l2 - p.residual_l2 for p in papers]
    up = sum(gaps) > 0
    text = f"Table 1: LRP is {'above' if up else 'below'} the residual"
    return Claim(text, name, _higher([own], metric, name, up))


def _higher(objects: Collection[Sequence[Damage]], metric: str, name: str, up: bool) -> Found:
    """Return whether LRP is above the residual on objects, or below it, with both losses."""
    parts = []
    for loss in LOSSES:
        gaps = [_gap(own, metric, loss) for own in objects]
        known = [gap for gap in gaps if gap is not None]
        if len(known) < len(gaps):
            return unknown(f"LRP and the residual in {loss.upper()} are not both here")
        gap = averaged(known, [len(own) for own in objects])
        parts.append((above if up else below)(gap, 0.0, f"{name}, {loss.upper()}"))
    return every(parts)


def _gap(own: Sequence[Damage], metric: str, loss: str) -> Estimate | None:
    """Return LRP minus the residual in the mean over the damages of one object."""
    block, names = own[0].block, [damage.name for damage in own]
    found = dict(zip(OF_TABLE_1, table1.keys(block), strict=True))
    known = [k for k in (found[f"lrp_{loss}"], found[f"residual_{loss}"]) if k is not None]
    if len(known) < 2 or not block.has(known, metric, names):
        return None
    return block.compared(known, metric, names).pair(0, 1)


def _quoted(name: str) -> str:
    return f"“{QUOTES[name]}”"


def _part(title: str, claims: Sequence[Claim], said: Sequence[str]) -> Part:
    lines = [[text, where, found.verdict, found.evidence] for text, where, found in claims]
    return Part(title, HEADS, lines, len(HEADS), said)
