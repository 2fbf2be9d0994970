"""What each explainer pointed at: heat maps of images with the true damage outlined, of windows
over time, and bars of rows. Derived from a store alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aexbench import families, files, specs
from aexbench.board import bars, series
from aexbench.components import component
from aexbench.contracts import AnomalySet
from aexbench.declarations import kind_of
from aexbench.errors import RequestError, plain, unknown
from aexbench.extras import optional
from aexbench.running import titles
from aexbench.running.packed import AnyStore
from aexbench.running.store import Record

INCHES, DOTS = 1.5, 110
BARS_INCHES = 2.2  # across


@dataclass(frozen=True)
class Page:
    """One picture: the maps of several explainers for the samples of one anomaly set, images or
    windows, or their bars where these are rows.
    """

    title: str
    anomalies: AnomalySet
    maps: dict[str, NDArray[Any]]
    rows: dict[str, bars.Bars] = field(default_factory=dict)


def gallery(
    store: AnyStore, to: Path, explainers: Sequence[str] = (), per_label: int = 3, seed: int = 0
) -> list[Path]:
    """Write one PNG per anomaly set, and return the paths.

    A row is a sample, `per_label` of each label; a column is an explainer. Each map of an image has
    its own scale, from 0 to the 99.5 % quantile of its positive values; what is negative is black.
    The outline is the truth. A row of a table has bars of its greatest attributions, red where the
    feature is the truth, with whiskers of 1.96 standard errors where the explainer tells them. A
    window of a series has a map of steps and channels, and above it the values: red where a channel
    is true, blue where the explainer names one that is not, bold what it names.

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
        If the store has no attributions, or not of these explainers.
    """
    pages = _pages(store, explainers)
    if not pages:
        raise RequestError(f"{store.root} has no attributions that a gallery could show")
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
    return [_page(store, found, explainers or known, seen) for found in sets.values()]


def _text(name: str) -> str:
    """Return a name as stores write it: parameters in the order of the plugin's own."""
    base, _ = specs.parse(name)
    return (
        component(families.explainers, name).text if base in families.explainers.names() else name
    )


def _page(
    store: AnyStore, records: Sequence[Record], names: Sequence[str], seen: titles.Seen
) -> Page:
    """Return the page of one anomaly set."""
    anomalies, cell = store.anomalies_of(records[0]), records[0].cell
    where = f"{seen.of('dataset', cell.dataset)} / {seen.of('corruption', cell.corruption)}"
    title = f"{where}, seed {cell.detector_seed}"
    by_name = {record.cell.explainer.text: record for record in records}
    found = [by_name[name] for name in names if name in by_name]
    shown = {seen.of("explainer", one.cell.explainer): one for one in found}
    if kind_of(anomalies.x.shape[1:]) == "series":
        return Page(title, anomalies, {n: store.read_attributions(r) for n, r in shown.items()})
    if anomalies.x.ndim != 4:
        rows = {name: bars.Bars.of(store, one, anomalies) for name, one in shown.items()}
        return Page(title, anomalies, {}, rows)
    maps = {name: store.read_attributions(one).sum(axis=1) for name, one in shown.items()}
    return Page(title, anomalies, maps)


def _draw(page: Page, path: Path, per_label: int, seed: int) -> Path:
    rows = chosen(page.anomalies.label, per_label, seed)
    drawn = _windows if kind_of(page.anomalies.x.shape[1:]) == "series" else _samples
    figure = drawn(page, rows)
    figure.suptitle(_literal(plain(page.title)), fontsize=8)
    figure.savefig(path)
    return path


def _windows(page: Page, rows: Sequence[int]) -> Any:
    """Return a figure of windows, each with its values above its map."""
    lines = [
        [series.Window.of(page.anomalies, number, maps) for maps in page.maps.values()]
        for number in rows
    ]
    names = [_wrapped(plain(name)) for name in page.maps]
    figure = series.figure(lines, [names, *[[""] * len(names)] * (len(rows) - 1)])
    for axis, number in zip(figure.axes[:: 2 * len(names)], rows, strict=True):
        axis.set_ylabel(plain(str(page.anomalies.label[number])), fontsize=7)
    return figure


def _samples(page: Page, rows: Sequence[int]) -> Any:
    """Return a figure of images, or of rows of a table."""
    figures = optional("matplotlib.figure", extra="plots")
    columns = [*page.rows] if page.rows else ["anomaly", *page.maps]
    width = BARS_INCHES if page.rows else INCHES
    figure = figures.Figure(
        figsize=(width * len(columns), INCHES * (len(rows) + 0.7)), dpi=DOTS, layout="constrained"
    )
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for line, number in enumerate(rows):
        for axis, name in zip(axes[line], columns, strict=True):
            _cell(axis, page, name, number)
        axes[line][0].set_ylabel(plain(str(page.anomalies.label[number])), fontsize=7)
    for axis, name in zip(axes[0], columns, strict=True):
        axis.set_title(_wrapped(plain(name)), fontsize=6)
    return figure


def _cell(axis: Any, page: Page, name: str, number: int) -> None:
    """Draw one sample, its map, or its bars."""
    if name in page.rows:
        bars.draw(axis, page.rows[name], number, page.anomalies)
        return
    truth = page.anomalies.truth[number].any(axis=0)
    image = name not in page.maps
    show(axis, page.anomalies.x[number] if image else page.maps[name][number], truth, image=image)


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
            vmax=float(np.quantile(positive, series.BRIGHTEST)) if len(positive) else 1.0,
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
