"""`explain`: from a detector and samples to explanations that a person can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from aexbench import given, soundness
from aexbench.contracts import Dataset, not_finite
from aexbench.detector import Detector
from aexbench.errors import RequestError
from aexbench.explaining.asking import Answers, Asked, answers, named, votes
from aexbench.explaining.choice import DEFAULT, Choice, Entry, chosen, made
from aexbench.explaining.describing import Seen, features_of, normal_of
from aexbench.explaining.parts import Explanation, Explanations, Lead, Pixels, Vote
from aexbench.explaining.sureness import lead
from aexbench.explaining.views import Floats, View, view
from aexbench.explaining.windows import first_rows, label, spans, windows
from aexbench.rows import Rows, as_rows
from aexbench.state import as_usual

SHORTLIST = (DEFAULT, "repair", "lrp[root=joint]", "counterfactual")
DRAWS = 5


def explain(
    detector: Detector,
    x: ArrayLike,
    *,
    data: Dataset | None = None,
    background: Rows | None = None,
    explainer: Entry | None = None,
    audit: object = None,
    shortlist: Sequence[Entry] = SHORTLIST,
    draws: int = DRAWS,
    rows: Sequence[int] | NDArray[np.int64] | None = None,
) -> Explanations:
    """Say which features make samples anomalous, in the user's units, and how sure that is.

    Parameters
    ----------
    detector
        Your detector. One that has no score scale yet is calibrated on the validation split of
        `data`, in a copy; without `data` its explanations have no score.
    x : (N, …)
        The samples, in the detector's units: `data.transform(values)` makes them of the user's.
    data
        Where they come from: its scale gives the user's units, its Features the names, its training
        split what is normal.
    background : (B, …)
        Normal samples, where there is no data set, in the detector's units.
    explainer
        Who answers: a name with brackets, a function `(detector, x) -> attributions`, or a class.
        What the audit chose where it is left out; without an audit `residual`, as on real alarms
        no explainer has been seen to be surely better.
    audit
        What `aexbench.audit` returned, or the path of its JSON file.
    shortlist
        Explainers that are asked what they name first.
    draws
        Seeds that an explainer which draws at random is asked with; its attributions are their
        mean.
    rows : (N,), optional
        The samples' numbers in the source, to call them by; a window's is that of its first row.

    Returns
    -------
    Explanations
        A sequence, one `Explanation` a sample: `print` shows a table, `.sentence` one sentence;
        `.frame`, `.json()`, `.plot()` and `.save("why.svg")` are for others.

    Raises
    ------
    RequestError
        If the samples do not fit, the detector is unsound, or an explainer is unknown.
    SkipError
        If the explainer that answers cannot explain this detector.

    Examples
    --------
    >>> import aexbench
    >>> data = aexbench.datasets.create("wine")
    >>> odd = data.test[data.test_labels][:1]
    >>> (one,) = aexbench.explain(data.detector(), odd, data=data)
    >>> one.explainer, one.chosen_by, one.alarmed
    ('residual', 'default', True)
    """
    _check(detector, draws)
    samples = _samples(x, detector, data)
    with as_usual():  # gradients are asked for, whatever the mode around
        own = fitted(detector, data)
        normal = data.train if background is None and data is not None else background
        if normal is not None:
            normal = as_rows(normal)
        soundness.check(own, samples if normal is None else normal)
        seen = view(own.features, samples.shape[1:], data)
        copied = torch.as_tensor(np.array(samples))  # views of rows may be read-only
        asked = Asked(own, seen, copied, normal)
        choice = chosen(explainer, audit, detector)
        given = answers(choice.component, asked, draws)
        others = [one for one in map(made, shortlist) if one.text != choice.component.text]
        elected, numbers = votes(others, asked), _numbers(rows, len(samples))
        return _together(asked, choice, given, elected, numbers, first_rows(data, seen, numbers))


def _check(detector: object, draws: int) -> None:
    """Raise RequestError where something else than a detector is given, or nothing is asked."""
    if not isinstance(detector, Detector):
        kind = type(detector).__name__
        raise RequestError(f"explain takes a detector, not a {kind}: aexbench.Detector(model)")
    if draws < 1:
        raise RequestError(f"draws={draws} must be at least 1")


def _samples(x: ArrayLike, detector: Detector, data: Dataset | None) -> NDArray[Any]:
    """Return samples (N, …) as an array of finite numbers, of the data set's shape."""
    given = np.asarray(as_rows(x))
    if given.ndim < 2 or not len(given) or given.dtype.kind not in "biuf":
        raise RequestError(
            f"x must be numbers (N, …), a row is x[:1]; it is {given.dtype} {given.shape}"
        )
    if data is not None and given.shape[1:] != data.train.shape[1:]:
        shapes = f"{given.shape[1:]}, those of the data set {data.train.shape[1:]}"
        raise RequestError(f"samples have shape {shapes}")
    if complaint := not_finite(given, "x", detector.features.names):
        raise RequestError(complaint)
    detector.features.check(given.shape[1:])
    return given if given.dtype.kind == "f" else given.astype(np.float32)


def fitted(detector: Detector, data: Dataset | None) -> Detector:
    """Return a detector with the data's Features, where it has none of its own, and calibrated on
    their validation split; the caller's own stays as it is.
    """
    if data is None:
        return detector
    own, _ = given.bounded(given.described(detector, data), data)
    return given.calibrated(own, data)


def _numbers(rows: Sequence[int] | NDArray[np.int64] | None, count: int) -> list[int | None]:
    """Return the samples' numbers in the source, None where they have none."""
    if rows is None:
        return [None] * count
    numbers = np.asarray(rows)
    if numbers.shape != (count,) or numbers.dtype.kind not in "iu":
        raise RequestError(f"rows must number each of the {count} samples")
    return [int(number) for number in numbers]


def _together(
    asked: Asked,
    choice: Choice,
    given: Answers,
    elected: list[list[Vote]],
    numbers: list[int | None],
    firsts: list[int | None],
) -> Explanations:
    """Return the explanations of all samples."""
    seen = asked.seen
    by_feature = asked.view.sums(given.attributions)
    normal = normal_of(asked.view, asked.detector, asked.normal)
    error = given.standard_error
    # Columns of one feature may share one error: their sum is never too small.
    errors = None if error is None else asked.view.sums(error)
    lying = spans(asked.view, given.attributions)
    features = features_of(asked.view, seen, normal, by_feature, errors, lying)
    leads = _leads(asked.view, given, errors)
    images = _images(asked.view, seen, given.attributions)
    series = windows(asked.view, seen, given.attributions, normal, firsts)
    text = choice.component.text
    scored = _scored(asked.detector, asked.x)
    return Explanations(
        tuple(
            Explanation(
                label=label(place, numbers[place], firsts[place], asked.view.shape),
                row=numbers[place],
                **scored[place],
                explainer=text,
                chosen_by=choice.by,
                reason=choice.reason,
                features=features[place],
                lead=leads[place],
                votes=(Vote(text, named(by_feature[place], asked.view.names)), *elected[place]),
                pixels=images[place],
                window=series[place],
            )
            for place in range(len(asked.x))
        )
    )


def _scored(detector: Detector, x: torch.Tensor) -> list[dict[str, Any]]:
    """Return each sample's error and score, and those above which an alarm is raised."""
    errors = detector.error(x).detach().double().cpu()
    scale = detector.scale
    if scale is None:
        nothing = dict.fromkeys(("error_alarm", "score", "alarm"))
        return [{"error": error, **nothing} for error in errors.tolist()]
    scores = scale.score(errors).tolist()
    threshold = scale.normal_95
    alarm = {"error_alarm": threshold, "alarm": float(scale.score(torch.tensor(threshold)))}
    return [
        {"error": error, "score": score, **alarm}
        for error, score in zip(errors.tolist(), scores, strict=True)
    ]


def _leads(view: View, given: Answers, errors: Floats | None) -> list[Lead | None]:
    draws = np.stack([view.sums(draw) for draw in given.draws], axis=1)
    told = [None] * len(draws) if errors is None else errors
    return [lead(one, own, view.names, given.random) for one, own in zip(draws, told, strict=True)]


def _images(view: View, seen: Seen, attributions: NDArray[Any]) -> list[Pixels | None]:
    """Return images with their maps; None for rows of a table."""
    if not view.by_region:
        return [None] * len(seen.x)
    return [Pixels(*one) for one in zip(seen.x, seen.x_hat, attributions, strict=True)]
