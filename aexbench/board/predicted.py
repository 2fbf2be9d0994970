"""What a ranking by corruptions has been seen to predict, in words: of the labels that a board has
itself, or else of those of the published results.

`predicted.json` holds the card of results/real by one metric:
`python -m aexbench.board.predicted RESULTS` takes it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from aexbench.board.sections import Score, Section
from aexbench.board.table import bare
from aexbench.board.validity import ALL, PAPER, PICK, RESIDUAL, THREE, Card

if TYPE_CHECKING:
    from aexbench.board.leaderboard import Board

PATH = Path(__file__).with_name("predicted.json")
CARDS = TypeAdapter(list[Card])
HEADLINE = "recall[top=truth]"  # of one true feature, that is recall@1


def said(section: Section, board: Board) -> Iterator[str]:
    """Yield what the ranking of a section of corruptions has been seen to predict; of an order that
    looks at no truth nothing has been seen.
    """
    if section.truthless or not any(row.rank for row in section.rows):
        return
    own = [card for card in board.cards if card.metric == board.primary]
    for card in own:
        name = ALL if len(section.corruptions) > 1 else section.corruptions[0]
        yield from _of_card(card, name, "the labels here", section.metric)
    if not own and {bare(name) for name in section.corruptions} <= set(PAPER):
        for card in published():
            yield from _of_card(card, THREE, "real labels of results/real", section.metric)


def _of_card(card: Card, name: str, labels: str, metric: str) -> Iterator[str]:
    """Yield what a card says of a rule that ranks, if it does, beside an order by a metric."""
    rules = {rule.name: rule for rule in card.rules}
    rule = rules.get(name)
    if rule is not None and rule.tau is not None:
        beside = [f"{n} {rules[n].regret.mean:z.2f}" for n in (PICK, RESIDUAL) if n in rules]
        regret, shown = figure(rule.regret), card.shown_rule(name)
        order, of = "this order", card.metric
        if card.metric != metric:
            order, of = f"the order by {card.metric}", "it"
        yield (
            f"what {order} has predicted: on {labels} ({rule.entities} data sets with "
            f"{card.labels}), to take the first by {shown} lost {regret} of {of} against "
            f"the best there ({', '.join(beside)}). Kendall's τ with the order by "
            f"labels: {figure(rule.tau)} (1 the same, 0 unrelated, -1 reversed)."
        )


def figure(score: Score) -> str:
    """Return a mean with its interval.

    >>> figure(Score(0.04, -0.2, 0.28)), figure(Score(-0.001))
    ('0.04 [-0.20, 0.28]', '0.00')
    """
    if score.low is None or score.high is None:
        return f"{score.mean:z.2f}"
    return f"{score.mean:z.2f} [{score.low:z.2f}, {score.high:z.2f}]"


@cache
def published() -> Sequence[Card]:
    """Return the cards that are published."""
    return CARDS.validate_json(PATH.read_bytes())


def taken(results: Path) -> bytes:
    """Return the cards of results in the form of `predicted.json`."""
    from aexbench.board.leaderboard import cards
    from aexbench.running.packed import open_store

    found, _ = cards(open_store(results), HEADLINE)
    return CARDS.dump_json(found, indent=1) + b"\n"


if __name__ == "__main__":
    PATH.write_bytes(taken(Path(sys.argv[1])))
