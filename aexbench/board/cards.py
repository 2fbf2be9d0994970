"""Validity cards as text: terminal, Markdown, JSON; names are escaped for where they stand."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from aexbench.board.escaping import markdown_block
from aexbench.board.predicted import figure
from aexbench.board.tables import folded, markdown_list, markdown_table
from aexbench.board.validity import Card, Rule
from aexbench.errors import plain

VERSION = 1  # of the form of cards in files
HEADERS = ["choosing by", "τ", "regret"]
NAME_WIDTH = 34  # of a terminal of 80 columns
LEGEND = (
    "regret: by how much the best explainer is better by labels than the one that is chosen. τ: "
    "how far both rankings agree, Kendall's: 1 is the same order, 0 none.",
    "[95 % over data sets, each of which counts the same; few have wide intervals.] Which "
    "explainer is best always is known afterwards alone.",
    "Half of its own labels: chosen by every other labelled incident, judged on those between. "
    "Where incidents are few, that is noise too, and no bound.",
)


def title(card: Card) -> str:
    """Return what a card is about."""
    on = f"{len(card.entities)} data sets with {card.labels}"
    return plain(f"{card.metric}: {len(card.explainers)} explainers on {on}")


def lines(card: Card) -> list[list[str]]:
    """Return the rows of a card as texts."""
    return [[_name(rule, card), *_figures(rule)] for rule in card.rules]


def _name(rule: Rule, card: Card) -> str:
    fewer = rule.entities < len(card.entities)
    return plain(card.shown_rule(rule.name)) + (f" (on {rule.entities})" if fewer else "")


def _figures(rule: Rule) -> list[str]:
    return ["" if rule.tau is None else figure(rule.tau), figure(rule.regret)]


def notes(card: Card) -> Iterator[str]:
    """Yield what a card has been seen on, and which explainers are not in it."""
    yield plain(f"On {', '.join(card.shown('dataset', name) for name in card.entities)}.")
    if card.incomplete:
        without = ", ".join(card.shown("explainer", name) for name in card.incomplete)
        yield plain(f"Without {without}: they lack a score here.")


def as_rich(cards: Sequence[Card]) -> Group:
    """Return cards for a terminal of 80 columns."""
    parts: list[RenderableType] = []
    for card in cards:
        parts += [_table(card), *map(Text, notes(card)), Text()]
    return Group(*parts, *map(Text, LEGEND))


def _table(card: Card) -> Table:
    table = Table(title=escape(title(card)), title_justify="left", box=None, padding=(0, 1, 0, 0))
    for name in HEADERS:
        side: Literal["left", "right"] = "left" if name == HEADERS[0] else "right"
        table.add_column(escape(name), justify=side, overflow="fold")
    for texts in lines(card):
        table.add_row(*(escape(folded(text, NAME_WIDTH)) for text in texts))
    return table


def markdown_parts(cards: Sequence[Card]) -> Iterator[str]:
    """Yield the blocks of cards in Markdown; nothing where there are none."""
    for card in cards:
        yield f"**{markdown_block(title(card))}**"
        yield markdown_table(HEADERS, lines(card))
        yield markdown_list(notes(card))
    if cards:
        yield markdown_list(LEGEND)


def as_markdown(cards: Sequence[Card]) -> str:
    """Return cards as Markdown tables."""
    return "\n\n".join(markdown_parts(cards)) + "\n"


def as_json(cards: Sequence[Card]) -> str:
    """Return cards as JSON."""
    values = {"schema_version": VERSION, "cards": [dataclasses.asdict(card) for card in cards]}
    return json.dumps(values, indent=1) + "\n"


FORMATS: dict[str, Callable[[Sequence[Card]], str]] = {"markdown": as_markdown, "json": as_json}
