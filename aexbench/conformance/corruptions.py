"""Does a corruption keep its contract?

It must return finite samples, each a row of the clean ones that is changed where its truth says and
nowhere else, and whose score passes the threshold by that change; draw the same again with the same
seed, in rounds and chunks of any size, and something else with another; and leave the detector, the
clean samples and the random state as they were.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aexbench.conformance.findings import Finding, tried
from aexbench.conformance.states import model_changed, random_states_changed
from aexbench.contracts import AnomalySet, Corruption
from aexbench.detector import Detector
from aexbench.errors import RequestError
from aexbench.rows import Array
from aexbench.single_feature import LIKE_ALARMS, MATCHED

CHUNK = 3  # samples that the detector takes at a time, for another size than its own


def check_corruption(
    corruption: Corruption,
    detector: Detector,
    clean: Array,
    count: int = 20,
    threshold: float | str | None = None,
    tolerance: float | None = None,
) -> list[Finding]:
    """Return what a corruption makes of each rule of its contract.

    Parameters
    ----------
    corruption
        What `corruptions.create` returns.
    detector
        One that is calibrated.
    clean : (N, …)
        Normal samples; some more than `count`.
    count
        How many anomalies are drawn at a time, at least 2.
    threshold
        On the score; the corruption's own, which its report names, where it is left out.
    tolerance
        Of values and scores that are computed twice, relative to the greatest; the square root of
        the type's precision where it is left out.

    Raises
    ------
    RequestError
        If the detector is not calibrated, there are no clean samples, or count is too small.
    SkipError
        If the corruption does not apply to these samples.

    Examples
    --------
    >>> from aexbench import corruptions, datasets
    >>> data = datasets.create("wine")
    >>> found = check_corruption(corruptions.create("random"), data.detector(), data.normal)
    >>> [finding for finding in found if finding.problem]
    []
    """
    if len(clean) == 0 or count < 2:
        raise RequestError(f"{len(clean)} clean samples and count={count} are too few")
    _ = detector.calibrated
    tolerance = torch.finfo(detector.dtype).eps ** 0.5 if tolerance is None else tolerance
    given = np.array(clean[:])
    return tried(RULES, Trial(corruption, detector, given, count, threshold, tolerance))


@dataclass(frozen=True, eq=False)
class Trial:
    """A corruption and what it is tried on."""

    corruption: Corruption
    detector: Detector
    clean: Array
    count: int
    threshold: float | str | None
    tolerance: float

    def draw(
        self, count: int | None = None, seed: int = 0, detector: Detector | None = None
    ) -> AnomalySet:
        """Return anomalies out of copies, so that what one rule's draw breaks is not another's."""
        return self.corruption.generate(
            copy.deepcopy(self.detector) if detector is None else detector,
            self.clean.copy(),
            self.count if count is None else count,
            self.threshold,
            seed,
        )

    @cached_property
    def drawn(self) -> AnomalySet:
        """The anomalies that several rules look at."""
        return self.draw()

    @cached_property
    def source(self) -> NDArray[np.float64]:
        """The clean row of each of them."""
        return np.asarray(self.clean[self.drawn.unit], dtype=np.float64)

    def differ(self, what: str, found: Any, expected: Any) -> str:
        """Return how far two arrays are apart, if that is more than the tolerance."""
        one, other = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
        if one.shape != other.shape:
            return f"{what} has shape {one.shape}, not {other.shape}"
        if one.size == 0:
            return ""
        with np.errstate(invalid="ignore"):  # of infinite ones
            gap = float(np.abs(one - other).max()) / max(float(np.abs(other).max()), 1e-300)
        return "" if gap <= self.tolerance else f"{what} differs by {gap:.1e} of the greatest"


def _finite(trial: Trial) -> str:
    drawn = trial.drawn
    if not isinstance(drawn, AnomalySet):
        return f"returns {type(drawn).__name__}, not AnomalySet"
    if not 0 < len(drawn) <= trial.count:
        return f"returns {len(drawn)} of {trial.count} anomalies: nothing can be said of others"
    if drawn.x.shape[1:] != trial.clean.shape[1:]:
        return f"samples have shape {drawn.x.shape[1:]}, the clean ones {trial.clean.shape[1:]}"
    parts = {"samples": drawn.x, "scores": drawn.score, "errors": drawn.error}
    wrong = [name for name, part in parts.items() if not np.isfinite(part).all()]
    return f"{' and '.join(wrong)} are not finite" if wrong else ""


def _sources(trial: Trial) -> str:
    unit = trial.drawn.unit
    if unit.dtype.kind not in "iu" or np.any((unit < 0) | (unit >= len(trial.clean))):
        return f"unit is no row of the {len(trial.clean)} clean samples"
    if trial.drawn.clean is None:
        return ""
    return trial.differ("clean", trial.drawn.clean, trial.source)


def _truth(trial: Trial) -> str:
    drawn = trial.drawn
    changed = drawn.x != trial.source.astype(drawn.x.dtype)
    if (changed & ~drawn.truth).any():
        return "changes columns that its truth does not hold"
    still = ~changed.reshape(len(changed), -1).any(axis=1)
    return f"{int(still.sum())} samples are not changed at all" if still.any() else ""


def _threshold(trial: Trial) -> str:
    before, after = (trial.detector.error(x).double().cpu() for x in (trial.source, trial.drawn.x))
    wrong = trial.differ("error", trial.drawn.error, after) or trial.differ(
        "score", trial.drawn.score, trial.detector.calibrated.score(after)
    )
    if wrong:
        return wrong
    most, least = _limits(trial)
    high, low = int((before > most).sum()), int((after <= least).sum())
    if high or low:
        return f"{high} clean samples lie above the threshold, {low} changed ones not above it"
    return ""


def _limits(trial: Trial) -> tuple[float, float]:
    """Return the greatest error before, and the one to pass after, give or take the rounding."""
    scale, threshold = trial.detector.calibrated, trial.threshold
    threshold = trial.drawn.report.get("threshold") if threshold is None else threshold
    if threshold is None:
        raise ValueError("its report names no threshold")
    if threshold == "strict":
        most, least = scale.normal_95, scale.normal_999
    elif threshold in (LIKE_ALARMS, MATCHED):
        most = least = scale.normal_95
    else:
        most = least = scale.error_at(float(threshold))
    slack = trial.tolerance * abs(scale.high)
    return most + slack, least - slack


def _same_seed(trial: Trial) -> str:
    return _other(trial, trial.draw(), trial.drawn)


def _other_seed(trial: Trial) -> str:
    same = _other(trial, trial.draw(seed=1), trial.drawn) == ""
    return "draws the same with another seed" if same else ""


def _fewer(trial: Trial) -> str:
    few = trial.draw(count=trial.count // 2)
    return _other(trial, few, trial.drawn, slice(trial.count // 2))


def _chunks(trial: Trial) -> str:
    return _other(trial, trial.draw(detector=_of_small_chunks(trial)), trial.drawn)


def _of_small_chunks(trial: Trial) -> Detector:
    """Return the same detector, which takes a few samples at a time."""
    made = trial.detector.with_model(copy.deepcopy(trial.detector.model))
    made.chunk_rows(torch.as_tensor(trial.clean[:1]))  # whether the model overwrites its input
    made._chunks = dict.fromkeys(made._chunks, CHUNK)
    return made


def _detector(trial: Trial) -> str:
    given = copy.deepcopy(trial.detector)
    before = copy.copy(given)
    problem = model_changed(given.model, lambda: trial.draw(detector=given))
    if given.model is not before.model:
        return "gives the detector another model"
    known = ("loss", "features", "scale")
    changed = [name for name in known if getattr(given, name) != getattr(before, name)]
    return f"changes the detector's {', '.join(changed)}" if changed else problem


def _clean_kept(trial: Trial) -> str:
    given = trial.clean.copy()
    detector = copy.deepcopy(trial.detector)
    trial.corruption.generate(detector, given, trial.count, trial.threshold)
    same = np.array_equal(given, trial.clean)
    return "" if same else "changes the clean samples that it is given: copy them first"


def _random_state(trial: Trial) -> str:
    return random_states_changed(trial.draw)


RULES: dict[str, Callable[[Trial], str]] = {
    "finite anomalies of the samples' shape": _finite,
    "made out of the clean rows that it names": _sources,
    "changes what its truth holds": _truth,
    "passes the threshold by the change": _threshold,
    "the same again with the same seed": _same_seed,
    "others with another seed": _other_seed,
    "the first of many are those of few": _fewer,
    "the same in chunks of any size": _chunks,
    "leaves the detector": _detector,
    "leaves the clean samples": _clean_kept,
    "leaves the random state": _random_state,
}


def _other(trial: Trial, found: AnomalySet, expected: AnomalySet, part: slice = slice(None)) -> str:
    """Return in what anomalies differ from a part of those that are expected."""
    for name in ("unit", "truth", "x"):
        problem = trial.differ(name, getattr(found, name), getattr(expected, name)[part])
        if problem:
            return problem
    return ""
