"""Heat maps for the pages of explainers, and anomalies for those of data sets, of stores of images
or windows that hold attributions.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aexbench.board import gallery, series
from aexbench.components import Component
from aexbench.contracts import AnomalySet
from aexbench.declarations import kind_of
from aexbench.errors import RequestError, SkipError, plain
from aexbench.extras import optional
from aexbench.files import UnreadableError
from aexbench.publishing import examples
from aexbench.publishing.links import Links
from aexbench.publishing.reading import Reading
from aexbench.publishing.slugs import slug
from aexbench.running.store import Record, Store

SAMPLES = 8  # of a picture
WINDOWS, ACROSS = 4, 2  # the same of windows, and how many stand side by side
INCHES, DOTS = 1.25, 100
FOLDER = "pictures"


@dataclass(frozen=True)
class Picture:
    """A picture: where it is, and what it shows in words."""

    path: str
    text: str


@dataclass(frozen=True)
class Pictures:
    """Pictures by what they are of, and why others are not there; files by their names."""

    explainers: Mapping[str, Sequence[Picture]]
    datasets: Mapping[str, Sequence[Picture]]
    why: Sequence[str]
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Drawn:
    """One picture of an explainer (`name`), or of the anomalies alone (none)."""

    dataset: str
    name: str
    picture: Picture
    content: bytes


def pictures(readings: Sequence[Reading], links: Links) -> Pictures:
    """Return the pictures of all stores that hold what they show."""
    found: list[Drawn] = []
    why = []
    for reading in readings:
        try:
            found += _of(reading)
        except (RequestError, SkipError, UnreadableError) as error:
            why.append(f"{reading.name}: {error}")
    files = {one.picture.path: one.content for one in found}
    explainers = {n: [one.picture for one in found if one.name == n] for n in links.explainers}
    datasets = {
        n: [one.picture for one in found if one.dataset == n and not one.name]
        for n in links.datasets
    }
    return Pictures(explainers, datasets, why, files)


def _of(reading: Reading) -> Iterator[Drawn]:
    """Yield the pictures of one store, where it is no packed one: of anomalies on the first seed,
    and of each explainer.
    """
    if not isinstance(reading.store, Store):
        return
    records = [r for r in reading.records if r.state == "ok" and r.cell.plain]
    by_dataset: dict[str, list[Record]] = {}
    for record in records:
        by_dataset.setdefault(record.cell.dataset.text, []).append(record)
    for own in by_dataset.values():
        for first in examples.sets(own):
            anomalies = reading.store.anomalies_of(first)
            if kind_of(anomalies.x.shape[1:]) != "rows":
                key = first.cell.anomaly_key
                same = [record for record in own if record.cell.anomaly_key == key]
                yield from _of_set(reading, first, anomalies, same)


def _of_set(
    reading: Reading, first: Record, anomalies: AnomalySet, records: Sequence[Record]
) -> Iterator[Drawn]:
    """Yield the pictures of one anomaly set."""
    chosen, cell = _chosen(anomalies), first.cell
    seen = reading.seen
    where = f"{seen.of('dataset', cell.dataset)} / {seen.of('corruption', cell.corruption)}"
    where += f", seed {cell.anomaly_seed}"
    yield _drawn(reading, first, None, where, _draw(anomalies, None, chosen))
    for record in records:
        if record.role != "reference":
            found = reading.store.read_attributions(record)
            maps = found if kind_of(found.shape[1:]) == "series" else found.sum(axis=1)
            explainer = record.cell.explainer
            yield _drawn(reading, first, explainer, where, _draw(anomalies, maps, chosen))


def _chosen(anomalies: AnomalySet) -> list[int]:
    """Return the numbers of some samples, of each label in turn."""
    labels = len(np.unique(anomalies.label))
    most = WINDOWS if kind_of(anomalies.x.shape[1:]) == "series" else SAMPLES
    return gallery.chosen(anomalies.label, max(1, most // labels), 0)[:most]


def _drawn(
    reading: Reading, first: Record, explainer: Component | None, where: str, content: bytes
) -> Drawn:
    name, what = "", "Anomalies"
    if explainer is not None:
        name, called = explainer.text, reading.seen.of("explainer", explainer)
        what = f"What {called} points at, below each anomaly"
    path = f"{FOLDER}/{slug(f'{reading.slug} {first.cell.anomaly_key} {name}')}.png"
    text = f"{what}: {where}; the outline is the truth"
    dataset = reading.seen.of("dataset", first.cell.dataset)
    return Drawn(dataset, name, Picture(path, text), content)


def _draw(anomalies: AnomalySet, maps: Any, chosen: Sequence[int]) -> bytes:
    """Return a picture of anomalies, and of their maps beneath them, as PNG."""
    drawn = _windows if kind_of(anomalies.x.shape[1:]) == "series" else _images
    out = io.BytesIO()
    drawn(anomalies, maps, chosen).savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _windows(anomalies: AnomalySet, maps: Any, chosen: Sequence[int]) -> Any:
    """Return a figure of windows, two side by side: a phone shows one of them at a time."""
    lines = [chosen[start : start + ACROSS] for start in range(0, len(chosen), ACROSS)]
    windows = [[series.Window.of(anomalies, number, maps) for number in line] for line in lines]
    titles = [[_label(anomalies, number) for number in line] for line in lines]
    return series.figure(windows, titles, DOTS)


def _images(anomalies: AnomalySet, maps: Any, chosen: Sequence[int]) -> Any:
    figures = optional("matplotlib.figure", extra="plots")
    height = 1 if maps is None else 2
    size = (INCHES * len(chosen), INCHES * height + 0.2)
    figure = figures.Figure(figsize=size, dpi=DOTS, layout="constrained")
    axes = figure.subplots(height, len(chosen), squeeze=False)
    for column, number in enumerate(chosen):
        truth = anomalies.truth[number].any(axis=0)
        gallery.show(axes[0][column], anomalies.x[number], truth, image=True)
        axes[0][column].set_title(_label(anomalies, number), fontsize=7)
        if maps is not None:
            gallery.show(axes[1][column], maps[number], truth, image=False)
    return figure


def _label(anomalies: AnomalySet, number: int) -> str:
    return plain(str(anomalies.label[number]))[:24].replace("$", r"\$")
