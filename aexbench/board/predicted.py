"""What rankings by corruptions have been seen to predict, in words: of a board's own labels, or of
those of the published results.

`predicted.json` holds the cards of results/real: `python -m aexbench.board.predicted RESULTS` takes
them anew.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from aexbench.board.sections import Score
from aexbench.board.validity import ALL, PICK, RESIDUAL, THREE, Card, Rule

if TYPE_CHECKING:
    from aexbench.board.leaderboard import Board

PATH = Path(__file__).with_name("predicted.json")
SHOWN = (THREE, ALL)


def said(board: Board) -> Iterator[str]:
    """Yield what the ranking by a board's corruptions has been seen to predict."""
    own = [card for card in board.cards if card.metric == board.primary]
    if own:
        for card in own:
            yield from _of_card(card, f"here, {_entities(card)}")
        return
    for card in published():
        if card.metric == "recall[top=truth]":
            yield from _of_card(card, f"in results/real, {_entities(card)}")


def _entities(card: Card) -> str:
    return f"{len(card.entities)} data sets with labelled {card.truth}s"


def _of_card(card: Card, where: str) -> Iterator[str]:
    rules = {rule.name: rule for rule in card.rules}
    for name in SHOWN:
        if name in rules and rules[name].tau is not None:
            yield f"Ranked by {name}: {worth(rules[name])} ({where}); {_beside(rules)}."


def _beside(rules: dict[str, Rule]) -> str:
    known = [rules[name] for name in (PICK, RESIDUAL) if name in rules]
    return ", ".join(f"{rule.name} {rule.regret.mean:.2f}" for rule in known)


def worth(rule: Rule) -> str:
    """Return a rule's agreement and regret in words."""
    tau = "" if rule.tau is None else f"τ {figure(rule.tau)} with the ranking by labels, "
    return f"{tau}regret {figure(rule.regret)}"


def figure(score: Score) -> str:
    """Return a mean with its interval.

    >>> figure(Score(0.04, -0.2, 0.28)), figure(Score(0.04))
    ('0.04 [-0.20, 0.28]', '0.04')
    """
    if score.low is None or score.high is None:
        return f"{score.mean:.2f}"
    return f"{score.mean:.2f} [{score.low:.2f}, {score.high:.2f}]"


@cache
def published() -> Sequence[Card]:
    """Return the cards of results/real."""
    return [_card(values) for values in json.loads(PATH.read_text(encoding="utf-8"))]


def _card(values: dict[str, object]) -> Card:
    rules = [_rule(rule) for rule in values.pop("rules")]  # type: ignore[attr-defined]
    return Card(**values, rules=rules)  # type: ignore[arg-type]


def _rule(values: dict[str, object]) -> Rule:
    scores = {n: None if values[n] is None else Score(**values[n]) for n in ("tau", "regret")}  # type: ignore[arg-type]
    return Rule(**{**values, **scores})  # type: ignore[arg-type]


def write(results: Path) -> None:
    """Take the published cards anew from packed results."""
    from aexbench.board.leaderboard import leaderboard
    from aexbench.running.packed import open_store

    found = [asdict(card) for card in leaderboard(open_store(results)).cards]
    PATH.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
