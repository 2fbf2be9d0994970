"""What a score must stand above to mean anything, told along one picture of a section."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aexbench.board import alike
from aexbench.board.meanings import of_explainer
from aexbench.board.sections import Row, Section
from aexbench.running.store import Record

CONTROLS = {
    "initial": "the explainer itself on the same network as it was before training: what the "
    "architecture alone gives",
    "permuted": "the explainer itself on the same network with each trained tensor shuffled: what "
    "the sizes of weights alone give",
    "loss-ablated": "the explainer itself without the error map: what it finds without looking at "
    "the loss",
}


@dataclass(frozen=True)
class Level:
    """Something along the picture: a floor, chance, the truth, or the best explainer."""

    name: str
    kind: str
    score: float
    text: str


def levels(section: Section) -> list[Level]:
    """Return what stands along a section's picture, from the worst score to the best."""
    first = [row for row in section.rows if row.role == "explainer"][:1]
    beside = [row for row in section.rows if row.role != "explainer"]
    found = [_level(row, section) for row in (*beside, *first)]
    return sorted(found, key=lambda one: one.score, reverse=not section.higher)


def _level(row: Row, section: Section) -> Level:
    kind = "the best explainer" if row.role == "explainer" else row.note
    return Level(row.named, kind, row.scores[section.metric].mean, of_explainer(row.explainer))


def controls(records: Sequence[Record]) -> list[tuple[str, str]]:
    """Return the floors that each explainer has for itself alone, as far as they have been run."""
    found = {record.cell.control for record in records}
    return [(alike.CONTROLS[name], text) for name, text in CONTROLS.items() if name in found]


def worked(section: Section) -> Iterator[str]:
    """Yield two rows read aloud: the first that is above its floors, and the first that is not."""
    rows = [row for row in section.rows if row.gain is not None and row.gain.low is not None]
    for above in (True, False):
        for row in [row for row in rows if row.gain and row.gain.above is above][:1]:
            yield _read(row, section)


def _read(row: Row, section: Section) -> str:
    gain, mean = row.gain, row.scores[section.metric].mean
    assert gain is not None
    assert gain.low is not None
    assert row.floor_score is not None
    start = (
        f"{row.shown} scores {mean:z.2f}. Its best floor, {section.shown(gain.floor)}, scores "
        f"{row.floor_score:z.2f}: a gain of {gain.gain:+z.2f}, and over every floor surely at "
        f"least {gain.low:+z.2f}. "
    )
    if gain.above:
        return start + "So it says something of what this detector has learned."
    return start + "So nothing here shows that it knows more than what never looked."
