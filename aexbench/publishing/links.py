"""Where the pages of a folder are, by what they are about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aexbench.publishing.reading import Reading
from aexbench.publishing.slugs import slug


@dataclass(frozen=True)
class Links:
    """Pages by the names of explainers, data sets, and the slugs of boards."""

    explainers: dict[str, str]
    datasets: dict[str, str]
    boards: dict[str, str]


def links(readings: Sequence[Reading]) -> Links:
    """Return the pages of all that stands on boards."""
    sections = [section for reading in readings for section in reading.board.sections]
    explainers = (row.explainer for section in sections for row in section.rows)
    datasets = (section.place(g).dataset for section in sections for g in section.groups)
    return Links(
        explainers=_paths("explainers", explainers),
        datasets=_paths("datasets", datasets),
        boards={one.slug: f"reading/{one.slug}.html" for one in readings},
    )


def _paths(folder: str, names: Iterable[str]) -> dict[str, str]:
    return {name: f"{folder}/{slug(name)}.html" for name in dict.fromkeys(names)}
