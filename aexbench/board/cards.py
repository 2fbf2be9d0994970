"""Validity cards as text: terminal, Markdown, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from aexbench.board.escaping import markdown, markdown_block
from aexbench.board.predicted import figure
from aexbench.board.validity import Card
from aexbench.errors import plain

HEADERS = ["choosing by", "τ with the labels' ranking", "regret"]
NAME_WIDTH = 40
LEGEND = (
    "τ: Kendall's, of both rankings. regret: by how much the best explainer is better by labels "
    "than the one that is chosen. [95 % over data sets; few have wide intervals.] The ceiling "
    "chooses by every other labelled incident, and is judged on those between."
)


def lines(card: Card) -> list[list[str]]:
    """Return the rows of a card as texts."""
    return [
        [plain(r.name), "" if r.tau is None else figure(r.tau), figure(r.regret)]
        for r in card.rules
    ]


def title(card: Card) -> str:
    """Return what a card is about."""
    entities, explainers = len(card.entities), len(card.explainers)
    what = f"{explainers} explainers on {entities} data sets with labelled {card.truth}s"
    return plain(f"{card.metric}: {what}")


def as_rich(cards: Sequence[Card]) -> Group:
    """Return cards for a terminal of 80 columns."""
    parts: list[Table | Text] = []
    for card in cards:
        table = Table(title=escape(title(card)), title_justify="left", box=None)
        for name in HEADERS:
            first = name == HEADERS[0]
            most = NAME_WIDTH if first else None
            table.add_column(
                name, justify="left" if first else "right", overflow="fold", max_width=most
            )
        for texts in lines(card):
            table.add_row(*map(escape, texts))
        parts += [table, Text(plain(f"on {', '.join(card.entities)}")), Text()]
    return Group(*parts, Text(LEGEND))


def as_markdown(cards: Sequence[Card]) -> str:
    """Return cards as Markdown tables."""
    parts = []
    for card in cards:
        rows = [HEADERS, ["---"] * len(HEADERS), *lines(card)]
        shown = [[t if t == "---" else markdown(t) for t in row] for row in rows]
        table = "\n".join("| " + " | ".join(row) + " |" for row in shown)
        on = markdown_block(f"on {', '.join(card.entities)}")
        parts += [f"**{markdown_block(title(card))}**", table, on]
    return "\n\n".join([*parts, LEGEND]) + "\n"


def as_json(cards: Sequence[Card]) -> str:
    """Return cards as JSON."""
    return json.dumps([asdict(card) for card in cards], indent=1) + "\n"


FORMATS: dict[str, Callable[[Sequence[Card]], str]] = {"markdown": as_markdown, "json": as_json}
