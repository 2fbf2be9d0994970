"""What an audit has found: how explainers score beside `residual` and `deviation`, kind by kind.

Every kind of anomalies has a table of its own, and so have dear explainers, which meet the first
few anomalies of it. What is compared is explained on the same anomalies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from aexbench.auditing.worth import Worth
from aexbench.board.comparing import Estimate
from aexbench.board.leaderboard import read_table
from aexbench.board.sections import Ranking, Score
from aexbench.components import Component
from aexbench.errors import StoreError
from aexbench.explaining.choice import DEFAULT
from aexbench.results import Results
from aexbench.running.references import LABELS

PLAIN = "deviation"  # the floor that never asks the detector


@dataclass(frozen=True)
class Tried:
    """What one explainer scores on one kind of anomalies.

    Attributes
    ----------
    score
        Its mean with its interval.
    over_default, over_plain
        Its differences from `residual` and from `deviation`; None where these have no score.
    above
        Whether it is surely above every floor; None of `deviation` itself.
    units
        How many clean rows or incidents it has been tried on.
    few
        Whether it was tried on a few of the anomalies alone: its mean is then none to be compared
        with those of others, and its differences are.
    """

    explainer: str
    score: Score
    over_default: Estimate | None
    over_plain: Estimate | None
    above: bool | None
    units: int
    few: bool = False

    @property
    def lead(self) -> float:
        """How much it has more than `residual`, on the same anomalies; 0 where nobody knows."""
        return 0.0 if self.over_default is None else self.over_default.value


@dataclass(frozen=True)
class Kind:
    """What explainers score on one kind of anomalies.

    Attributes
    ----------
    name, summary
        The corruption with its brackets, or `labels`; and in words.
    labelled
        Whether they are labelled incidents.
    matched
        Whether its anomalies are like the alarms of this detector.
    units
        How many clean rows, or labelled incidents that raise an alarm, they come from.
    chance, ceiling
        What knows nothing scores, and the truth.
    tried
        By their names, explainers and `deviation`, those that lead most first.
    reason
        Why there are none.
    """

    name: str
    summary: str
    labelled: bool = False
    matched: bool = False
    units: int = 0
    chance: float | None = None
    ceiling: float | None = None
    tried: Mapping[str, Tried] = field(default_factory=dict)
    reason: str = ""

    @property
    def explainers(self) -> list[Tried]:
        """All but `deviation`."""
        return [one for name, one in self.tried.items() if name != PLAIN]


@dataclass(frozen=True)
class Evidence:
    """All that an answer rests on.

    Attributes
    ----------
    worth
        What the detector is worth.
    kinds
        Kinds of injected anomalies.
    alike
        Those that are like the alarms, together: each counts the same. None where there are none.
    labels
        Labelled incidents, where there are some.
    truth
        What the labels mark: symptoms or causes.
    costs
        Seconds that an explanation takes, by explainer.
    left_out
        Why some explainers were not tried, or not on everything.
    metric
        The name of that by which they are compared.
    """

    worth: Worth
    kinds: Sequence[Kind] = ()
    alike: Kind | None = None
    labels: Kind | None = None
    truth: str = ""
    costs: Mapping[str, float] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    metric: str = ""

    @property
    def matched(self) -> list[Kind]:
        """The kinds that are like the detector's alarms and have anomalies."""
        return [kind for kind in self.kinds if kind.matched and kind.tried]

    @property
    def leading(self) -> Kind | None:
        """Where it shows who leads: what is like the alarms, or else the first kind that has
        anomalies.
        """
        if self.alike is not None and self.alike.tried:
            return self.alike
        return next((kind for kind in self.kinds if kind.tried), None)


ALIKE = "anomalies like the alarms"


def together(results: Sequence[Results], metric: str) -> Kind:
    """Return what explainers score on several kinds, each of which counts the same."""
    return _scored(Kind(ALIKE, "", matched=True), results, metric)


def of_kind(made: Component, matched: bool, results: Sequence[Results], metric: str) -> Kind:
    """Return what explainers score on a kind of anomalies.

    Parameters
    ----------
    made
        The corruption, or `labels`.
    matched
        Whether its anomalies are like the alarms of the detector.
    results
        Of those that were tried on all anomalies, and of those that were tried on a few.
    metric
        The name by which they are compared; higher is better.
    """
    named = Kind(made.text, made.plugin.summary, made.name == LABELS, matched)
    return _scored(named, results, metric)


def _scored(kind: Kind, results: Sequence[Results], metric: str) -> Kind:
    """Return a kind with what explainers score on it."""
    rankings = [ranking for one in results for ranking in _rankings(one, metric)]
    if not rankings:
        return replace(kind, reason=_why(results))
    tried: dict[str, Tried] = {}
    for place, ranking in enumerate(rankings):
        few = place > 0 and not kind.labelled
        tried = dict(_tried(ranking, few)) | tried
    order = sorted(tried, key=lambda name: -tried[name].lead)
    levels = _levels(rankings[0])
    return replace(
        kind,
        units=_units(rankings[0]),
        chance=levels.get("chance"),
        ceiling=levels.get("oracle"),
        tried={name: tried[name] for name in order},
    )


def _rankings(results: Results, metric: str) -> Iterator[Ranking]:
    """Yield what ranks results, if something was scored: they are all of one kind of truth."""
    complaints: list[str] = []
    table = read_table(results.store, results.records, None, complaints)
    if complaints:
        raise StoreError(complaints[0])
    for kind in dict.fromkeys(group.kind for group in table.groups.values()):
        yield Ranking(table, kind, [metric])


def _units(ranking: Ranking) -> int:
    return sum(map(ranking.units, ranking.groups))


def _tried(ranking: Ranking, few: bool) -> Iterable[tuple[str, Tried]]:
    """Yield the explainers of a table, and `deviation`."""
    names = [*ranking.ranked, *([PLAIN] if PLAIN in ranking.names else [])]
    if not names:
        return
    board = ranking.compared([(name, "none") for name in names], ranking.primary)
    units = _units(ranking)

    def over(place: int, other: str) -> Estimate | None:
        return board.pair(place, names.index(other)) if other in names else None

    for place, name in enumerate(names):
        gain = ranking.gains.get(name)
        yield (
            name,
            Tried(
                name,
                ranking.score(name, ranking.primary),
                over(place, DEFAULT),
                over(place, PLAIN),
                None if gain is None else gain.above,
                units,
                few,
            ),
        )


def _levels(ranking: Ranking) -> dict[str, float]:
    """Return what the references score."""
    return {
        name: ranking.score(name, ranking.primary).mean
        for name in ranking.names
        if ranking.roles[name] == "reference"
    }


def _why(results: Sequence[Results]) -> str:
    """Return why nothing was scored."""
    reasons = [record.reason for one in results for record in one.records if record.reason]
    return reasons[0] if reasons else "no anomaly was found"
