"""Table 1 in its own layout: average precision by damage, the paper's figure beside ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aexbench import families
from aexbench.board.table import Key
from aexbench.components import component
from aexbench.paper.published import (
    DATA_OF_TABLE_1,
    ENTRIES_OF_TABLE_1,
    HEADS_OF_TABLE_1,
    METRICS_OF_TABLE_1,
    OVERALL,
    TABLE_1,
    Four,
)
from aexbench.paper.scored import PLAIN, Block
from aexbench.paper.view import NONE, Part, figure

DIGITS = 3  # as the paper prints them


class Damage(NamedTuple):
    """A row of the table: the damage of an object, where ours is, and the paper's figures; `shown`
    names the object, with its detector where there are several.
    """

    object: str
    name: str
    block: Block
    paper: Four | None
    shown: str


def damages(blocks: Sequence[Block]) -> list[Damage]:
    """Return the damages that a store has of the paper's data, in the paper's order."""
    found = []
    categories = [_category(block) for block in blocks]
    for block, category in zip(blocks, categories, strict=True):
        shown = category if categories.count(category) == 1 else block.shown
        for name in block.groups if category else ():
            found.append(Damage(category, name, block, TABLE_1.get((category, name)), shown))
    order = list(TABLE_1)
    last = len(order)
    return sorted(found, key=lambda d: order.index(d[:2]) if d[:2] in order else last)


def _category(block: Block) -> str:
    """Return which object of the paper's data a block has; nothing for other data."""
    for record in block.records:
        if record.cell.dataset.name == DATA_OF_TABLE_1:
            return str(record.cell.dataset.parameters.get("category", ""))
    return ""


def metric(blocks: Sequence[Block]) -> str | None:
    """Return which average precision there is: by the paper's thresholds, or else the exact one."""
    names = [component(families.metrics, entry).text for entry in METRICS_OF_TABLE_1]
    return next((n for n in names if any(n in block.table.metrics for block in blocks)), None)


def keys(block: Block) -> list[Key | None]:
    """Return the rows of a block that stand for the columns of the table."""
    found = [block.of([entry]) for entry in ENTRIES_OF_TABLE_1.values()]
    return [None if text is None else (text, PLAIN) for text in found]


def parts(found: Sequence[Damage], name: str) -> Iterator[Part]:
    """Yield the table, and that of the floors and twins beside it."""
    heads = [head for one in HEADS_OF_TABLE_1 for head in (f"{one} paper", f"{one} here")]
    lines = [[d.shown, d.name, *_beside(d.paper, _ours(d, name))] for d in found]
    said = [f"the paper's figure beside the one of this store, by {name}", *_missing(found)]
    yield Part("Table 1", ["object", "damage", *heads], [*lines, *_overall(found, name)], 2, said)
    beside = list(dict.fromkeys(title for d in found for title in _others(d)))
    lines = [[d.shown, d.name, *_floors(d, name, beside)] for d in found]
    yield Part(
        "Table 1, floors and untrained twins", ["object", "damage", *beside], lines, 2, [OURS]
    )


OURS = (
    "none of this is the paper's: floors know the data and not the detector; twins are LRP on the "
    "same network untrained (initial), with shuffled weights (permuted), and without the error map "
    "(loss-ablated); what is no higher has not been shown to say what the network has learned"
)


def _ours(damage: Damage, name: str) -> list[float | None]:
    block = damage.block
    return [None if k is None else block.mean(k, name, damage.name) for k in keys(block)]


def _beside(paper: Sequence[float] | None, ours: Sequence[float | None]) -> Iterator[str]:
    """Yield the paper's figures and ours in turn."""
    for place, own in enumerate(ours):
        yield NONE if paper is None else figure(paper[place], DIGITS)
        yield figure(own, DIGITS)


def _overall(found: Sequence[Damage], name: str) -> list[list[str]]:
    """Return the mean over the damages that the paper has too, if all four columns are here, and
    none twice, by other detectors or data.
    """
    shared = [damage for damage in found if damage.paper is not None]
    ours = [[v for v in _ours(damage, name) if v is not None] for damage in shared]
    once = len({damage[:2] for damage in shared}) == len(shared)
    if not shared or not once or any(len(own) < len(HEADS_OF_TABLE_1) for own in ours):
        return []
    own = [_mean([values[n] for values in ours]) for n in range(len(HEADS_OF_TABLE_1))]
    return [["Overall", f"{len(shared)} of {len(TABLE_1)}", *_beside(_papers(shared), own)]]


def _papers(shared: Sequence[Damage]) -> Sequence[float]:
    """Return the paper's own last row, or the means over some of its rows."""
    if len(shared) == len(TABLE_1):
        return OVERALL
    columns = zip(*(damage.paper for damage in shared if damage.paper), strict=True)
    return [_mean(column) for column in columns]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _missing(found: Sequence[Damage]) -> Iterator[str]:
    """Yield what of the table is not here, and what is here that it has not."""
    here = {damage[:2] for damage in found}
    away = list(dict.fromkeys(name for name, _ in TABLE_1 if not any(name == h[0] for h in here)))
    if away:
        yield (
            f"not here: {', '.join(away)} (aexbench data get mvtec, and then the same aexbench run)"
        )
    others = [f"{d.object} {d.name}" for d in found if d.paper is None]
    if others:
        yield f"not in the paper's table: {', '.join(others)}"


def _others(damage: Damage) -> dict[str, Key]:
    """Return floors, references and LRP's controls of a block, by what columns call them."""
    block = damage.block
    rows = [*block.roles("floor"), *block.roles("reference")]
    found: dict[str, Key] = {name: (name, PLAIN) for name in rows}
    for head, key in zip(HEADS_OF_TABLE_1, keys(block), strict=True):
        if key is not None and head.startswith("LRP"):
            found |= {f"{head}, {title}": own for title, own in block.controls(key[0]).items()}
    return found


def _floors(damage: Damage, name: str, titles: Sequence[str]) -> Iterator[str]:
    own = _others(damage)
    for title in titles:
        key = own.get(title)
        yield NONE if key is None else figure(damage.block.mean(key, name, damage.name), DIGITS)
