"""What data sets, anomalies, detectors and components say of themselves, each in a few facts.

Nothing here reads a split, runs a model or looks into memory maps: a summary is there at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from aexbench.board.quality import quality
from aexbench.errors import plain
from aexbench.registry import in_words
from aexbench.rows import Named, in_memory
from aexbench.showing import Summary, cut, listed
from aexbench.signatures import REQUIRED
from aexbench.texts import counted

if TYPE_CHECKING:
    from aexbench.contracts import AnomalySet, Dataset
    from aexbench.detector import Detector
    from aexbench.features import Features
    from aexbench.registry import Called, Plugin
    from aexbench.results import Results

MOST_COUNTED = 10**7  # values that are looked at
MOST_KINDS = 10**5
MOST_CELLS = 2000  # whose records are read, and ranked, at once
LAYERS_WIDTH = 66  # beside a fact's name, of 80 columns
TRUTHS = {
    "symptom": "marks symptoms: what is abnormal",
    "cause": "marks causes: where it came from",
    "both": "marks causes that are the symptoms too",
}


def of_dataset(data: Dataset) -> Summary:
    """Return splits, anomalies and features of a data set."""
    facts = {name: _split(getattr(data, name)) for name in ("train", "validation", "test")}
    facts |= _anomalies(data)
    facts |= _columns(data.features)
    facts |= {"autoencoder": data.autoencoder}
    return Summary(f"Dataset of {_shape(data.train.shape[1:])}", facts)


def of_anomalies(anomalies: AnomalySet) -> Summary:
    """Return number, kinds, truth and scores of anomalies."""
    shape = _shape(anomalies.x.shape[1:])
    facts = {
        "kinds": _kinds(anomalies.label),
        "truth": _true_columns(anomalies.truth),
        "score": _range(anomalies.score),
        "units": f"{_distinct(anomalies.unit):,}",
        "clean": "the sample that each was made from" if anomalies.clean is not None else "",
    }
    if (alarmed := int(np.count_nonzero(anomalies.alarmed))) < len(anomalies):
        facts["alarm"] = f"{alarmed:,} of {len(anomalies):,} raise one"
    facts |= _asked(anomalies.report)
    return Summary(f"{_count(len(anomalies), 'anomaly', 'anomalies')} of {shape}", _said(facts))


def of_features(features: Features) -> Summary:
    """Return number, names, groups and bounds of columns."""
    count = len(features.names) or len(features.groups or ())
    described = _count(count, "column") if count else "columns without names"
    return Summary(f"Features of {described}", _columns(features))


def of_detector(detector: Detector) -> Summary:
    """Return architecture, loss, scale and worth of a detector."""
    from aexbench.architecture import in_one_line, parameters
    from aexbench.models import Picking

    model: Any = detector.model
    picks, loss = isinstance(model, Picking), detector.loss
    facts = {
        "network": in_one_line(model.model if picks else model, LAYERS_WIDTH),
        "weights": f"{parameters(model):,}, {str(detector.dtype).removeprefix('torch.')} on "
        f"{detector.device}",
        "output": f"x̂ is its part {_name(model.output)}" if picks else "",
        "loss": f"{_name(loss)}, your function" if callable(loss) else loss,
        "scores": _scale(detector),
        "worth": _worth(detector.report),
    }
    return Summary("Detector", _said(facts))


def of_component(called: Called, made: object = None) -> Summary:
    """Return name and parameters of an explainer, a corruption or a metric; what `made`, the object
    itself, holds under a parameter's name is shown where that was left out.
    """
    plugin, given = called.plugin, called.given
    facts = {"what": plugin.summary}
    for name, value in called.values.items():
        facts[name] = _value(_resolved(name, made) if value is None else value)
        if name in given and plugin.parameters[name].default is not REQUIRED:
            facts[name] += f" (else {_value(plugin.parameters[name].default)})"
    return Summary(f"{plugin.family.capitalize()} {called.text}", _said(facts))


def of_results(results: Results, where: str) -> Summary:
    """Return what cells there are, and in which states; of many cells only what is read already."""
    facts = {"store": where}
    if len(results) <= MOST_CELLS or "records" in vars(results):
        cells, states = results.cells, Counter(record.state for record in results.records)
        facts["cells"] = ", ".join(f"{n:,} {state}" for state, n in states.items())
        for name in ("dataset", "corruption", "explainer"):
            found = dict.fromkeys(getattr(cell, name).text for cell in cells)
            facts[f"{name}s"] = listed(list(found))
        facts["metrics"] = listed(results.metrics)
    facts["more"] = ".board() ranks, .frame is a row for each cell and metric"
    return Summary(f"Results of {_count(len(results), 'cell')}", _said(facts))


def in_one_line(called: Called) -> str:
    """Return a component's name with what was given in brackets, cut where it is long."""
    return cut(plain(called.text))


def of_plugin(plugin: Plugin[Any]) -> Summary:
    """Return summary, source and parameters of what is registered."""
    facts = {"what": plugin.summary, "source": plugin.source}
    for name, parameter in plugin.parameters.items():
        needed = parameter.default is REQUIRED
        how = "must be given" if needed else f"default {_value(parameter.default)}"
        facts[name] = f"{parameter.type_name}, {how}"
    return Summary(f"{plugin.family.capitalize()} {plugin.name}", _said(facts))


def _resolved(name: str, made: object) -> object:
    """Return what has become of a parameter that was left out."""
    held = getattr(made, "__dict__", {})
    if name == "loss" and name not in held:
        return getattr(held.get("detector"), "loss", None)
    return held.get(name)


def _value(value: object) -> str:
    if value is None:
        return "left out"
    shown = in_words(value)
    return f"[{listed(list(map(str, shown)))}]" if isinstance(shown, list) else str(shown)


def _shape(shape: tuple[int, ...]) -> str:
    """Return what one sample is."""
    sizes = " × ".join(map(str, shape))
    if len(shape) == 1:
        return _count(shape[0], "column")
    return f"images {sizes}" if len(shape) == 3 else f"samples {sizes}"


def _split(rows: Any) -> str:
    where = "" if in_memory(rows) else ", not in memory"
    return f"{_count(len(rows), 'sample')}{where}"


def _anomalies(data: Dataset) -> dict[str, str]:
    """Return how many test samples are anomalous, of which kinds, and what the truth says."""
    labels = data.test_labels
    if labels is None:
        return {"anomalies": "none is labelled"}
    facts = {"anomalies": "labelled, not in memory"}
    if in_memory(labels):
        count = int(np.count_nonzero(labels))
        units = _units(data, count)
        facts["anomalies"] = f"{count:,} of the {len(labels):,} test samples{units}"
        facts |= {"kinds": _kinds_of(data, count)}
    elif isinstance(data.test_kinds, Named):
        facts["kinds"] = listed(data.test_kinds.names)
    marks = TRUTHS.get(data.test_truth_kind, "")
    facts["truth"] = "none per column" if data.test_truth is None else marks
    return _said(facts)


def _units(data: Dataset, count: int) -> str:
    """Return in how many units the anomalies lie."""
    units = data.test_units
    if data.test_labels is None or not in_memory(units) or count > MOST_COUNTED:
        return ""
    return f", in {_count(_distinct(np.asarray(units)[data.test_labels]), 'unit')}"


def _kinds_of(data: Dataset, count: int) -> str:
    """Return the kinds of a data set's anomalies; of many the names alone where these are kept."""
    kinds, labels = data.test_kinds, data.test_labels
    codes = kinds.codes if isinstance(kinds, Named) else kinds
    if kinds is not None and labels is not None and in_memory(codes) and count <= MOST_KINDS:
        return _kinds(kinds[np.flatnonzero(labels)])
    return listed(kinds.names) if isinstance(kinds, Named) else ""


def _kinds(labels: Any) -> str:
    """Return labels with their numbers, the most frequent first."""
    if len(labels) > MOST_KINDS:
        return ""
    found = Counter(map(str, np.asarray(labels).tolist())).most_common()
    return listed([f"{kind} {count:,}" for kind, count in found])


def _columns(features: Features) -> dict[str, str]:
    facts = {"columns": listed(features.names)}
    if features.groups is not None:
        kinds = Counter(features.kinds or ())
        how = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        facts["features"] = f"{len(set(features.groups)):,}{f': {how}' if how else ''}"
    low, high = np.min(features.low), np.max(features.high)
    said = "" if features.bounded else " (nobody has said)"
    facts["bounds"] = f"{low:g} to {high:g}{said}"
    return _said(facts)


def _true_columns(truth: Any) -> str:
    """Return how many columns make a sample anomalous."""
    if not in_memory(truth) or not 0 < truth.size <= MOST_COUNTED:
        return ""
    counts = truth.reshape(len(truth), -1).sum(axis=1)
    least, most = int(counts.min()), int(counts.max())
    if least == most:
        return f"{_count(least, 'column')} each"
    return f"{least:,} to {most:,} columns each, the median {np.median(counts):,.0f}"


def _range(values: Any) -> str:
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return ""
    return f"{finite.min():.2f} to {finite.max():.2f}, the median {np.median(finite):.2f}"


def _asked(report: Mapping[str, Any]) -> dict[str, str]:
    asked, draws = report.get("asked"), report.get("draws")
    if not isinstance(asked, int) or not isinstance(draws, int):
        return {}
    return {"draws": f"{draws:,}, {asked:,} anomalies were asked for"}


def _scale(detector: Detector) -> str:
    if detector.scale is None:
        return "no scale yet: detector.calibrate(normal_samples) fixes it"
    return f"calibrated: 0 at an error of {detector.scale.low:.3g}, 1 at {detector.scale.high:.3g}"


def _worth(report: Mapping[str, Any]) -> str:
    """Return what the error is beside the best constant's, and how well it detects."""
    found = quality("", [report])
    parts = []
    if found.error_ratio is not None:
        ratio = f"{found.error_ratio:.0%} of the best constant sample's error"
        parts.append(ratio if found.error_ratio < 1 else f"none: {ratio}")
    if found.roc_auc is not None:
        parts.append(f"ROC-AUC {found.roc_auc:.2f}")
    return ", ".join(parts) or "not known: nothing was reported of its training"


def _distinct(values: Any) -> int:
    return len(np.unique(np.asarray(values)))


def _name(value: object) -> str:
    return str(getattr(value, "__name__", value if isinstance(value, str | int) else "a function"))


def _count(count: int, one: str, many: str = "") -> str:
    """Return how many there are, with a comma in thousands."""
    what = counted(count, one) if not many else f"{count} {one if count == 1 else many}"
    return what.replace(str(count), f"{count:,}", 1)


def _said(facts: Mapping[str, str]) -> dict[str, str]:
    return {name: fact for name, fact in facts.items() if fact}
