"""Figure 2 in figures: recall over m by corruption, of each detector that a store has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aexbench import families
from aexbench.board.table import Key, Table
from aexbench.components import component
from aexbench.errors import RequestError
from aexbench.paper.published import OF_FIGURE_2
from aexbench.paper.scored import PLAIN, Block
from aexbench.paper.view import Part, figure
from aexbench.plotting.curves import Curve

SHOWN = (1, 2, 3, 5, 7, 10, 15, 21)  # of m, in a table
PICTURE = (
    "the paper prints this figure as a picture, without figures: what its text says of it stands "
    "among the claims",
    "floors and twins are not the paper's: floors know the data and not the detector; twins are "
    "LRP on the same network untrained (initial), with shuffled weights (permuted), and without "
    "the error map (loss-ablated)",
)


def metrics(table: Table) -> dict[int, str]:
    """Return the names of recall at m in a table, by m."""
    found = {}
    for name in table.metrics:
        m = _m(name)
        if m is not None:
            found[m] = name
    return dict(sorted(found.items()))


def _m(name: str) -> int | None:
    try:
        made = component(families.metrics, name)
    except RequestError:  # a plugin's, which is not loaded
        return None
    top = made.parameters.get("top")
    return top if made.name == "recall" and isinstance(top, int) else None


def rows(block: Block) -> dict[str, tuple[Key, str]]:
    """Return the rows of a block by what they are called, with their roles: the paper's, floors,
    LRP's twins, references.
    """
    called = {name: block.of(entries) for name, entries in OF_FIGURE_2.items()}
    found = {n: ((text, PLAIN), "explainer") for n, text in called.items() if text is not None}
    found |= {name: ((name, PLAIN), "floor") for name in block.roles("floor")}
    lrp = called["LRP"]
    twins = block.controls(lrp) if lrp is not None else {}
    found |= {f"LRP, {title}": (key, "floor") for title, key in twins.items()}
    return found | {name: ((name, PLAIN), "reference") for name in block.roles("reference")}


def part(block: Block) -> Part:
    """Return the table of a block."""
    known = metrics(block.table)
    shown = {m: name for m, name in known.items() if m in SHOWN}
    lines = [
        [
            corruption,
            name,
            *(figure(block.mean(key, metric, corruption)) for metric in shown.values()),
        ]
        for corruption in block.groups
        for name, (key, _) in rows(block).items()
        if any(block.has([key], metric, [corruption]) for metric in known.values())
    ]
    heads = ["corruption", "explainer", *(f"m = {m}" for m in shown)]
    said = [*PICTURE, *_stands(block), *_lacks(list(known))]
    return Part(
        f"Figure 2, recall over m: {block.shown}", heads, lines, 2, said, list(curves(block))
    )


def _stands(block: Block) -> Iterator[str]:
    """Yield which rows of the store stand for the paper's."""
    called = {name: block.of(entries) for name, entries in OF_FIGURE_2.items()}
    named = [
        f"{name} is {text}" for name, text in called.items() if text not in (None, name.lower())
    ]
    if named:
        yield "; ".join(named)
    absent = [name for name, text in called.items() if text is None]
    if absent:
        yield f"not run here: {', '.join(absent)}"


def _lacks(known: Sequence[int]) -> Iterator[str]:
    """Yield what is missing of a curve."""
    if known != list(range(1, max(known, default=0) + 1)):
        shown = ", ".join(map(str, known)) or "none"
        yield f"scored at m = {shown} alone: aexbench score STORE -m 'recall[top=2]' adds another"


def curves(block: Block) -> Iterator[Curve]:
    """Yield the curves of a block, by the groups of the board."""
    known = metrics(block.table)
    for corruption, group in block.groups.items():
        for name, (key, role) in rows(block).items():
            means = {m: block.mean(key, metric, corruption) for m, metric in known.items()}
            recall = {m: mean for m, mean in means.items() if mean is not None}
            if len(recall) > 1:
                yield Curve(group, name, role, recall)
