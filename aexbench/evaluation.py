"""`evaluate`: the whole road for a detector and samples that you have, as `run` walks it."""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aexbench import families
from aexbench.components import Component, component, of_plugin
from aexbench.contracts import Dataset
from aexbench.detector import Detector
from aexbench.errors import RequestError
from aexbench.results import Results
from aexbench.rows import Array, as_rows
from aexbench.running import planning
from aexbench.running.matrix import carry_out
from aexbench.running.references import LABELS
from aexbench.running.sources import Given
from aexbench.running.store import Store
from aexbench.running.workspace import Workspace

Entry = str | Callable[..., Any]


def evaluate(
    detector: Detector,
    clean: Array,
    *,
    background: Array,
    explainers: Sequence[Entry],
    corruptions: Sequence[str] = ("null", "random", "adversarial"),
    metrics: Sequence[str] = ("recall[top=1]", "recall[top=3]"),
    labelled: tuple[Array, Array] | None = None,
    seeds: int = 1,
    count: int | None = None,
    twins: int = 2,
    store: str | Path | None = None,
) -> Results:
    """Corrupt clean samples, explain them, and rank the explanations beside their floors.

    Parameters
    ----------
    detector
        Your detector; one that has no score scale yet is calibrated on `clean`.
    clean : (N, …)
        Normal samples that it was not trained on.
    background : (N, …)
        Normal samples for explainers that need some, from the training data.
    explainers
        Names with brackets, functions `(detector, x) -> attributions`, or classes.
    corruptions, metrics
        Names with brackets.
    labelled : (N, …), (N, …) bool, optional
        Anomalies of your own and which columns make each so: explained as `labels`.
    seeds
        Anomaly sets per corruption, and seeds of explainers that sample.
    count
        Anomalies per set; the corruption's own (100) where left out.
    twins
        Untrained twins of each kind; floors and loss-ablated forms are run without them too.
    store
        A folder that keeps the results: the same call goes on from there. They live as long as what
        is returned where it is left out.

    Returns
    -------
    Results
        `.board()` ranks, with floors and gain; `.frame` has one row per explainer, corruption,
        seed, control and metric: `score`, `samples`, `state` with its `reason`, and for control
        `none` the times.

    Raises
    ------
    RequestError
        If a name is unknown, or a parameter wrong.

    Examples
    --------
    >>> import aexbench
    >>> from aexbench import datasets
    >>> data = datasets.create("wine")
    >>> results = aexbench.evaluate(
    ...     data.detector(), data.normal, background=data.train, explainers=["residual"],
    ...     corruptions=["random"], count=20, twins=0,
    ... )
    >>> sorted(results.frame.explainer.unique())
    ['deviation', 'feature-prior', 'oracle', 'random', 'residual']
    """
    data = _dataset(as_rows(clean), as_rows(background), labelled, detector)
    source = Given(data, _calibrated(detector, data))
    changed = [_corruption(name, count) for name in corruptions]
    if labelled is not None and not any(one.name == LABELS for one in changed):
        changed.append(planning.corruption(LABELS))
    explained = [*map(_explainer, explainers), *planning.standing(len(data.train.shape) == 4)]
    scored = [component(families.metrics, name) for name in metrics]
    draws = [
        planning.Draw(source.rows, source.network, 0, one, seed)
        for seed in range(seeds)
        for one in changed
    ]
    cells = {cell.key: cell for draw in draws for cell in draw.cells(explained, twins)}
    keep = tempfile.TemporaryDirectory(prefix="aexbench-") if store is None else None
    kept = Store(Path(keep.name if keep else str(store)), create=True)
    plan = {"name": "evaluate", "metrics": [one.text for one in scored]}
    workspace = Workspace(kept, str(detector.device), source=source)
    results = carry_out(list(cells.values()), scored, workspace, plan, keep=keep)
    _warn(results)
    return results


def _warn(results: Results) -> None:
    """Warn of what has failed, once for each explainer, corruption and reason."""
    failed = [record for record in results.records if record.state not in ("ok", "skipped")]
    cells = {(r.cell.explainer.text, r.cell.corruption.text, r.state, r.reason) for r in failed}
    for explainer, corruption, state, reason in sorted(cells):
        warnings.warn(f"{explainer} on {corruption} {state}: {reason}", stacklevel=3)


def _dataset(
    clean: Array, background: Array, labelled: tuple[Array, Array] | None, detector: Detector
) -> Dataset:
    """Return what is given as a data set: the clean samples, and labelled ones, are its test."""
    if labelled is None:
        return Dataset(background, clean, clean, detector.features)
    x, truth = (np.asarray(part) for part in labelled)
    if x.shape != truth.shape:
        raise RequestError(f"labelled is samples and their truth: {x.shape} and {truth.shape}")
    return Dataset(
        background,
        clean,
        np.concatenate([np.asarray(clean), x]),
        detector.features,
        np.repeat([False, True], [len(clean), len(x)]),
        np.concatenate([np.zeros(clean.shape, dtype=bool), truth.astype(bool)]),
    )


def _calibrated(detector: Detector, data: Dataset) -> Detector:
    """Return the detector with a score scale; the caller's own stays as it is."""
    if detector.scale is not None:
        return detector
    return copy.copy(detector).calibrate(data.validation)


def _explainer(entry: Entry) -> Component:
    if isinstance(entry, str):
        return planning.explainer(entry)
    return of_plugin(families.explainers.adapt(entry), {}, leave_out=frozenset({"seed"}))


def _corruption(name: str, count: int | None) -> Component:
    """Return a corruption; `count` stands in for its own default."""
    made = planning.corruption(name)
    if count is None:
        return made
    if "count" not in made.arguments:
        raise RequestError(f"{made.text} has no parameter count: leave count out")
    if made.arguments["count"] != made.plugin.parameters["count"].default:
        return made
    return of_plugin(made.plugin, {**made.arguments, "count": count})
