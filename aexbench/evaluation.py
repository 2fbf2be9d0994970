"""`evaluate`: the whole road for a detector and samples that you have, as `run` walks it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aexbench import families, files, given, soundness
from aexbench.components import Component, component, of_plugin, read_entry
from aexbench.contracts import TruthKind
from aexbench.declarations import kind_of
from aexbench.detector import Detector
from aexbench.errors import RequestError, plain
from aexbench.results import Results
from aexbench.rows import Array
from aexbench.running import alarms, planning
from aexbench.running.matrix import carry_out
from aexbench.running.probing import probes_of
from aexbench.running.references import LABELS
from aexbench.running.sources import Given
from aexbench.running.store import Store
from aexbench.running.workspace import Workspace
from aexbench.state import as_usual

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
    units: Sequence[Any] | Array | None = None,
    truth_kind: TruthKind = "symptom",
    seeds: int = 1,
    count: int | None = None,
    twins: int = 2,
    store: str | Path | None = None,
) -> Results:
    """Corrupt clean samples, explain them, and rank the explanations beside their floors.

    Parameters
    ----------
    detector
        Your detector; one that has no score scale yet is calibrated on `clean`. One that draws
        noise, or whose samples influence each other in a batch, is refused with the way out. Where
        nobody has said its bounds and the background leaves [0, 1], they come from there.
    clean : (N, …)
        Normal samples that it was not trained on. Data frames must all have the same columns in the
        same order.
    background : (N, …)
        Normal samples for explainers that need some, from the training data.
    explainers
        Names with brackets, functions `(detector, x) -> attributions`, or classes.
    corruptions, metrics
        Names with brackets.
    labelled : (N, …), (N, …) bool, optional
        Anomalies of your own and which columns make each so: explained as `labels`; the later half
        of them, where a corruption borrows from the alarms of the earlier one.
    units : (N,), optional
        The name or number of the incident that each labelled sample is of, incidents in the order
        of time: samples of one are not independent, and it counts once. Each sample is its own
        where it is left out.
    truth_kind
        What their truth marks: the features that are abnormal (`symptom`), where it came from
        (`cause`), or `both` where these are the same.
    seeds
        Draws of anomalies per corruption, and seeds of explainers that sample. The board is about
        this network: units and draws are its sample.
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
    ['chance', 'deviation', 'feature-prior', 'oracle', 'pca-residual', 'random', 'residual']
    """
    _check(detector, metrics, seeds, twins)
    with as_usual():  # gradients are asked for, whatever the mode around
        data = given.dataset(detector, clean, background, labelled, units, truth_kind)
        soundness.check(detector, data.validation)
        detector, notes = given.bounded(detector, data)
        for note in notes:
            warnings.warn(note, stacklevel=2)
        data.features = detector.features
        source = Given(data, given.calibrated(detector, data))
    changed = [_corruption(name, count) for name in _many(corruptions)]
    if labelled is not None and not any(one.name == LABELS for one in changed):
        seen = any(alarms.borrowed(one) for one in changed)
        changed.append(_corruption(f"{LABELS}[half=later]" if seen else LABELS, count))
    own = own_explainers(_many(explainers))
    explained = [*own, *planning.standing(kind_of(tuple(data.train.shape[1:])))]
    scored = [component(families.metrics, name) for name in _many(metrics)]
    draws = [
        planning.Draw(source.rows, source.network, 0, one, seed)
        for seed in range(seeds)
        for one in changed
    ]
    probes = probes_of(scored)
    cells = {cell.key: cell for draw in draws for cell in draw.cells(explained, twins, probes)}
    keep = files.Temporary("aexbench-") if store is None else None
    kept = Store(Path(keep.name if keep else str(store)), create=True)
    plan = {"name": "evaluate", "metrics": [one.text for one in scored], "notes": "; ".join(notes)}
    workspace = Workspace(kept, str(detector.device), source=source)
    results = carry_out(list(cells.values()), scored, workspace, plan, keep=keep)
    _warn(results)
    return results


def _check(detector: object, metrics: Sequence[str], seeds: int, twins: int) -> None:
    """Raise RequestError where something was asked for that makes no board."""
    if not isinstance(detector, Detector):
        kind = type(detector).__name__
        raise RequestError(f"evaluate takes a detector, not a {kind}: aexbench.Detector(model)")
    if not metrics:
        raise RequestError("evaluate needs a metric, such as recall[top=1]")
    if not all(isinstance(number, int) for number in (seeds, twins)):
        raise RequestError(f"seeds={seeds!r} and twins={twins!r} must be whole numbers")
    if seeds < 1 or twins < 0:
        raise RequestError(f"seeds={seeds} must be at least 1, twins={twins} at least 0")


def _many(entries: Any) -> list[Any]:
    """Return one entry or several as a list."""
    single = isinstance(entries, str) or callable(entries)
    return [entries] if single else list(entries)


def _warn(results: Results) -> None:
    """Warn of what has failed, once for each explainer, corruption and reason."""
    failed = [record for record in results.records if record.state not in ("ok", "skipped")]
    cells = {(r.cell.explainer.text, r.cell.corruption.text, r.state, r.reason) for r in failed}
    for explainer, corruption, state, reason in sorted(cells):
        warnings.warn(plain(f"{explainer} on {corruption} {state}: {reason}"), stacklevel=3)


def own_explainers(entries: list[Any]) -> list[Component]:
    """Return the explainers asked for; two different ones may not pass for one."""
    made = [_explainer(entry) for entry in entries]
    for place, one in enumerate(made):
        for other, entry in zip(made[:place], entries, strict=False):
            own = callable(entry) or callable(entries[place])
            if other.text == one.text and entry is not entries[place] and own:
                raise RequestError(
                    f"two explainers are called {one.text}, and results go by names: write each as "
                    "a function with a name of its own, def my_explainer(detector, x): ..."
                )
    return made


def _explainer(entry: Entry) -> Component:
    if isinstance(entry, str | dict):
        return planning.explainer(entry)
    if not callable(entry):
        raise RequestError(f"an explainer is a name, a function or a class, not {entry!r}")
    return of_plugin(families.explainers.adapt(entry), {}, leave_out=frozenset({"seed"}))


def _corruption(name: str, count: int | None) -> Component:
    """Return a corruption; `count` stands in for its own default."""
    made = planning.corruption(name)
    if count is None or "count" in read_entry(name)[1]:
        return made
    if "count" not in made.arguments:
        raise RequestError(f"{made.text} has no parameter count: leave count out")
    return of_plugin(made.plugin, {**made.arguments, "count": count})
