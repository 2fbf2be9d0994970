"""`audit`: which explainer to trust on your detector and your data, or why nobody can say."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aexbench import files, given
from aexbench.auditing import evidence as found
from aexbench.auditing import rows as samples
from aexbench.auditing import words
from aexbench.auditing.evidence import Evidence
from aexbench.auditing.features import hidden
from aexbench.auditing.report import Audit
from aexbench.auditing.trying import Trying, silent
from aexbench.auditing.worth import Worth, examined
from aexbench.contracts import Dataset
from aexbench.detector import Detector
from aexbench.errors import RequestError, tell
from aexbench.evaluation import own_explainers
from aexbench.explaining.choice import detector_digest
from aexbench.rows import Array
from aexbench.running import planning
from aexbench.running.sources import Given
from aexbench.running.store import Store
from aexbench.running.workspace import Workspace
from aexbench.state import as_usual

BUDGET = 300.0
SUITE = "audit"
IMAGES = (
    "audit knows rows of features (N, M), and these are images {shape}: label damaged ones, and "
    "aexbench run images --model … compares what explains them"
)


def audit(
    detector: Detector,
    data: Dataset | Array,
    labels: Array | None = None,
    *,
    background: Array | None = None,
    explainers: Sequence[str | Callable[..., Any]] = (),
    budget: float = BUDGET,
    store: str | Path | None = None,
    quiet: bool = False,
) -> Audit:
    """Say which explainer to trust on a detector, how sure that is, and what it costs.

    In this order: is the detector worth explaining; what it reconstructs and, with labels, detects;
    anomalies of several kinds, matched in size and error to the rows that it really flags, where
    there are ten; explainers in the order of what they cost, within the budget; their floors, and
    untrained twins; the answer by the table of `aexbench.auditing.answer`.

    Parameters
    ----------
    detector
        Yours; one that has no score scale yet is calibrated on normal rows.
    data : Dataset, or (N, M)
        A data set, or rows in the order of time, of which the first 60 % of the normal ones serve
        as background and the next 20 % as validation.
    labels : (N,) or (N, M) bool, optional
        Of rows: which are anomalous, or which features make each so.
    background : (B, M), optional
        Of rows: normal ones that the detector was trained on.
    explainers
        More of them, names with brackets or functions, beside those of the suite `audit`.
    budget
        Seconds for the explainers.
    store
        A folder that keeps what was measured: the same call goes on from there.
    quiet
        Show no progress.

    Returns
    -------
    Audit
        `print` shows it; `.explainer` and `.reason`, `.evidence`, `.save("audit.html")`.

    Raises
    ------
    RequestError
        If something given is wrong.

    Examples
    --------
    >>> import aexbench
    >>> from aexbench import datasets
    >>> data = datasets.create("linear-autoencoder")
    >>> found = aexbench.audit(data.detector(), data, budget=0, quiet=True)
    >>> found.explainer
    'residual'
    """
    _check(detector, data, labels, background, budget)
    with as_usual():
        dataset = (
            copy.copy(data)
            if isinstance(data, Dataset)
            else samples.as_dataset(detector, data, labels, background)
        )
        own, notes = fitted(detector, dataset)
        own, worth = examined(own, dataset)
        if worth.problem:
            return of_worth(worth, own, notes)
        source = Given(dataset, own)
    keep = files.Temporary("aexbench-") if store is None else None
    workspace = Workspace(
        Store(Path(keep.name if keep else str(store)), create=True), str(own.device), source=source
    )
    trying = Trying(
        workspace,
        source.rows,
        source.network,
        dataset,
        own,
        planning.load(SUITE),
        budget,
        own_explainers(list(explainers)),
        quiet=quiet,
        say=silent if quiet else tell,
    )
    return audited(trying, worth, notes)


def _check(
    detector: object, data: object, labels: object, background: object, budget: float
) -> None:
    if not isinstance(detector, Detector):
        kind = type(detector).__name__
        raise RequestError(f"audit takes a detector, not a {kind}: aexbench.Detector.of(model)")
    if isinstance(data, Dataset) and not (labels is None and background is None):
        raise RequestError("a Dataset has labels and training rows of its own: leave these out")
    if not budget >= 0:
        raise RequestError(f"budget is seconds for the explainers, at least 0, not {budget}")


def fitted(detector: Detector, dataset: Dataset) -> tuple[Detector, list[str]]:
    """Return the detector with the data set's Features, and what is to be said of them.

    A detector that describes its columns itself keeps that, and the data set takes it over.
    """
    if len(dataset.train.shape) == 4:
        raise RequestError(IMAGES.format(shape=tuple(dataset.train.shape[1:])))
    made, notes = given.bounded(given.described(detector, dataset), dataset)
    dataset.features = made.features
    return made, [*notes, *words.of_scale(dataset, made.loss)]


def audited(trying: Trying, worth: Worth, notes: Sequence[str] = ()) -> Audit:
    """Return what came of trying explainers."""
    results = trying.tried()
    metric = trying.metrics[0]
    everything = {one.text: one for one in [*trying.kinds, *filter(None, [trying.labels])]}
    matched = {one.text for one in trying.matched}
    kinds = {
        name: found.of_kind(made, name in matched, results[name], metric.text)
        for name, made in everything.items()
    }
    labels = kinds.pop(trying.labels.text) if trying.labels else None
    evidence = Evidence(
        worth,
        list(kinds.values()),
        found.together(trying.of(trying.matched), metric.text) if trying.matched else None,
        labels,
        trying.dataset.test_truth_kind if labels else "",
        trying.costs,
        trying.left_out,
        metric.text,
    )
    borrowed = any(one.parameters.get("donor") == "alarm" for one in trying.matched)
    said = [*notes, *([] if borrowed else [words.FEW_ALARMS])]
    single = [one for name in kinds for one in results[name]]
    features = trying.dataset.features
    names = features.group_names(tuple(trying.dataset.train.shape[1:]))
    missed = hidden(single, features, names, metric.text)
    return Audit(evidence, missed, detector_digest(trying.detector), trying.rows.key, said)


def of_worth(worth: Worth, detector: Detector, notes: Sequence[str]) -> Audit:
    """Return the audit of a detector that has no answer to give."""
    return Audit(Evidence(worth), detector=detector_digest(detector), notes=notes)
