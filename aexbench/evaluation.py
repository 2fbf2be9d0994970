"""`evaluate`: the whole road in memory, on your own detector and samples."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from aexbench import families, specs
from aexbench.contracts import AnomalySet
from aexbench.detector import Detector
from aexbench.errors import SkipError
from aexbench.registry import Plugin
from aexbench.rows import Array, as_rows
from aexbench.running import execution, scoring
from aexbench.running.cells import Component, component
from aexbench.running.controls import TWINS, Control, controlled

if TYPE_CHECKING:
    import pandas as pd

Entry = str | Callable[..., Any]


def evaluate(
    detector: Detector,
    clean: Array,
    *,
    background: Array,
    explainers: Sequence[Entry],
    corruptions: Sequence[str] = ("null", "random", "adversarial"),
    metrics: Sequence[str] = ("recall[top=1]", "recall[top=3]"),
    seeds: int = 1,
    count: int | None = None,
    twins: int = 2,
) -> pd.DataFrame:
    """Corrupt clean samples, explain them, and score the explanations.

    Parameters
    ----------
    detector
        Your detector; if it has no score scale yet it is calibrated on `clean`.
    clean : (N, …)
        Normal samples that it was not trained on.
    background : (N, …)
        Normal samples for explainers that need some, from the training data.
    explainers
        Names with brackets, functions `(detector, x) -> attributions`, or classes.
    corruptions, metrics
        Names with brackets.
    seeds
        Anomaly sets per corruption, and seeds of explainers that sample.
    count
        Anomalies per set; the corruption's own (100) where left out.
    twins
        Untrained twins of each kind; with 0 neither twins nor loss-ablated forms are run.

    Returns
    -------
    pandas.DataFrame
        One row per explainer, corruption, seed, control and metric: `score`, `samples`, `state`
        with its `reason`, and for control `none` the times `prepare_s`, `latency_s`,
        `samples_per_s`. A score above its controls' and above that of explainers that know nothing
        (`random`, `deviation`) comes from what the detector has learned.

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
    ...     data.detector(), data.normal, background=data.train, explainers=["residual", "random"],
    ...     corruptions=["random"], count=20, twins=0,
    ... )
    >>> sorted(results.explainer.unique())
    ['random', 'residual']
    """
    import pandas as pd

    plugins = [_plugin(entry) for entry in explainers]
    scored = [component(families.metrics, name) for name in metrics]
    changed = [component(families.corruptions, name) for name in corruptions]
    clean = as_rows(clean)
    if detector.scale is None:
        detector.calibrate(clean)
    rows: list[dict[str, Any]] = []
    for corruption, seed in product(changed, range(seeds)):
        made = families.corruptions.create(corruption.name, **corruption.arguments)
        anomalies = made.generate(detector, clean, count=count, seed=seed)
        for (plugin, given), (control, control_seed) in product(plugins, _controls(twins)):
            if control != "none" and plugin.declaration["floor"]:
                continue
            place = {"explainer": plugin.write(given), "corruption": corruption.text, "seed": seed}
            place |= {"control": control, "control_seed": control_seed}
            twin = functools.partial(controlled, detector, control, control_seed)
            rows += _rows(
                place, plugin, {"seed": seed, **given}, twin, anomalies, background, scored
            )
    return pd.DataFrame(rows)


def _plugin(entry: Entry) -> tuple[Plugin, dict[str, Any]]:
    """Return an explainer's plugin and the parameters that its name gives."""
    if not isinstance(entry, str):
        return families.explainers.adapt(entry), {}
    name, given = specs.parse(entry)
    plugin = families.explainers.describe(name)
    plugin.validate(given)
    return plugin, given


def _controls(twins: int) -> Iterator[tuple[Control, int]]:
    yield "none", 0
    if twins:
        yield "loss-ablated", 0
        yield from product(TWINS, range(twins))


def _rows(
    place: dict[str, Any],
    plugin: Plugin,
    given: dict[str, Any],
    twin: Callable[[], Detector],
    anomalies: AnomalySet,
    background: Array,
    metrics: Sequence[Component],
) -> list[dict[str, Any]]:
    """Return one row per metric; what went wrong stands in `state` and `reason`."""
    known = {
        key: value for key, value in given.items() if key != "seed" or "seed" in plugin.parameters
    }
    nothing = {metric.text: float("nan") for metric in metrics}
    state, reason, scores, times = "ok", "", nothing, {}
    try:
        if len(anomalies) == 0:
            raise SkipError(f"no anomaly found in {anomalies.report.get('draws', 0)} draws")
        detector = twin()
        make = functools.partial(
            families.explainers.make, plugin, (detector,), {"background": background, **known}
        )
        measure = place["control"] == "none"
        attributions, clock, measures = execution.explain(make, anomalies.x, detector, measure)
        values = scoring.score(attributions, anomalies, metrics)
        scores, times = (
            scoring.summarize(values, anomalies.label),
            {**(clock.summary() if clock else {}), **measures},
        )
    except SkipError as error:
        state, reason = "skipped", str(error)
    except Exception as error:
        state, reason = "failed", f"{type(error).__name__}: {error}"
        warnings.warn(
            f"{place['explainer']} on {place['corruption']} failed: {reason}", stacklevel=3
        )
    outcome = {"samples": len(anomalies), "state": state, "reason": reason, **times}
    return [{**place, "metric": name, "score": value, **outcome} for name, value in scores.items()]
