"""Heat maps of images: what each explainer pointed at, with the true damage outlined. Derived from
a store alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aexbench import families, files, specs
from aexbench.components import component
from aexbench.contracts import AnomalySet
from aexbench.errors import RequestError, plain, unknown
from aexbench.extras import optional
from aexbench.running import titles
from aexbench.running.packed import AnyStore
from aexbench.running.store import Record

BRIGHTEST = 0.995  # quantile of a map's positive values that is drawn brightest
INCHES, DOTS = 1.5, 110


@dataclass(frozen=True)
class Page:
    """One picture: the maps of several explainers for the samples of one anomaly set."""

    title: str
    anomalies: AnomalySet
    maps: dict[str, NDArray[Any]]


def gallery(
    store: AnyStore, to: Path, explainers: Sequence[str] = (), per_label: int = 3, seed: int = 0
) -> list[Path]:
    """Write one PNG per anomaly set of images, and return the paths.

    A row is a sample, `per_label` of each label; a column is an explainer. Each map has its own
    scale, from 0 to the 99.5 % quantile of its positive values; what is negative is black. The
    outline is the truth.

    Parameters
    ----------
    store
        Whose attributions on the trained detectors are drawn.
    to
        The folder to write into.
    explainers
        Names with brackets, in the order of the columns; all of the store where there are none.
    per_label
        Samples of each label.
    seed
        Of the choice of samples.

    Raises
    ------
    RequestError
        If the store has no attributions of images, or not of these explainers.
    """
    pages = _pages(store, explainers)
    if not pages:
        raise RequestError(
            f"{store.root} has no attributions of images: a gallery shows images (N, C, H, W)"
        )
    files.make_folder(to)
    return [
        _draw(page, to / f"{number:02d}.png", per_label, seed)
        for number, page in enumerate(pages, start=1)
    ]


def _pages(store: AnyStore, explainers: Sequence[str]) -> list[Page]:
    records, complaints = store.records()
    if complaints:
        raise RequestError(complaints[0])
    seen = titles.of(store, records)
    shown = [r for r in records if r.state == "ok" and r.cell.plain and r.role != "reference"]
    known = sorted({record.cell.explainer.text for record in shown})
    explainers = [_text(name) for name in explainers]
    for name in explainers:
        if name not in known:
            raise unknown("explainer of this store", name, known)
    sets: dict[str, list[Record]] = {}
    for record in shown:
        sets.setdefault(record.cell.anomaly_key, []).append(record)
    return [
        page
        for found in sets.values()
        if (page := _page(store, found, explainers or known, seen)) is not None
    ]


def _text(name: str) -> str:
    """Return a name as stores write it: parameters in the order of the plugin's own."""
    base, _ = specs.parse(name)
    return (
        component(families.explainers, name).text if base in families.explainers.names() else name
    )


def _page(
    store: AnyStore, records: Sequence[Record], names: Sequence[str], seen: titles.Seen
) -> Page | None:
    """Return the page of one anomaly set, or None where its samples are no images."""
    anomalies = store.anomalies_of(records[0])
    if anomalies.x.ndim != 4:
        return None
    by_name = {record.cell.explainer.text: record for record in records}
    found = [by_name[name] for name in names if name in by_name]
    maps = {
        seen.of("explainer", record.cell.explainer): store.read_attributions(record).sum(axis=1)
        for record in found
    }
    cell = records[0].cell
    where = f"{seen.of('dataset', cell.dataset)} / {seen.of('corruption', cell.corruption)}"
    return Page(f"{where}, seed {cell.detector_seed}", anomalies, maps)


def _draw(page: Page, path: Path, per_label: int, seed: int) -> Path:
    figures = optional("matplotlib.figure", extra="plots")
    rows = chosen(page.anomalies.label, per_label, seed)
    columns = ["anomaly", *page.maps]
    figure = figures.Figure(
        figsize=(INCHES * len(columns), INCHES * (len(rows) + 0.7)), dpi=DOTS, layout="constrained"
    )
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for line, number in enumerate(rows):
        truth = page.anomalies.truth[number].any(axis=0)
        for column, name in enumerate(columns):
            axis = axes[line][column]
            show(
                axis,
                page.anomalies.x[number] if column == 0 else page.maps[name][number],
                truth,
                image=column == 0,
            )
            if line == 0:
                axis.set_title(_wrapped(plain(name)), fontsize=6)
        axes[line][0].set_ylabel(plain(str(page.anomalies.label[number])), fontsize=7)
    figure.suptitle(_literal(plain(page.title)), fontsize=8)
    figure.savefig(path)
    return path


def show(axis: Any, values: NDArray[Any], truth: NDArray[np.bool_], image: bool) -> None:
    """Draw an image, or a map of relevance, with the outline of the truth."""
    if image:
        picture = np.clip(np.moveaxis(values, 0, -1) if len(values) == 3 else values[0], 0.0, 1.0)
        axis.imshow(picture, cmap="gray", vmin=0.0, vmax=1.0)
    else:
        positive = values[values > 0]
        axis.imshow(
            values,
            cmap="inferno",
            vmin=0.0,
            vmax=float(np.quantile(positive, BRIGHTEST)) if len(positive) else 1.0,
        )
    if truth.any() and not truth.all():
        axis.contour(truth, levels=[0.5], colors=["red" if image else "cyan"], linewidths=0.6)
    axis.set_xticks([])
    axis.set_yticks([])


def chosen(label: NDArray[np.str_], per_label: int, seed: int) -> list[int]:
    """Return the numbers of some samples of each label, label by label."""
    rng = np.random.default_rng(seed)
    chosen: list[int] = []
    for name in np.unique(label):
        rows = np.flatnonzero(label == name)
        chosen += sorted(rng.permutation(rows)[:per_label].tolist())
    return chosen


def _wrapped(name: str) -> str:
    """Break a name before its brackets and after its commas; `$` means nothing here."""
    return _literal(name.replace("[", "\n[").replace(",", ",\n"))


def _literal(text: str) -> str:
    return text.replace("$", r"\$")
