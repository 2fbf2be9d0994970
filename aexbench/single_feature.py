"""The corruption experiment (paper, Sec. 4.1): change one feature of a clean sample until the
detector is alarmed.

What to change a feature to is the plugin's; drawing, testing against the threshold and reporting
are here, once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from aexbench import summaries
from aexbench.contracts import AnomalySet
from aexbench.declarations import Limits
from aexbench.detector import Detector
from aexbench.errors import RequestError, SkipError
from aexbench.registry import Called
from aexbench.rows import Array, most, sample
from aexbench.waiting import waiting

CLEAN_ABOVE = "clean score above the threshold"
LIKE_ALARMS = "alarm"  # the threshold
MATCHED = "alarms"  # the threshold that has a lower bound too
MOST_LIKE_ALARMS = 0.9  # the quantile of the alarms' errors: few are far greater than the others
LEAST_MATCHED = 0.1
CLEAN_ROWS = 20_000  # that a corruption which asks for `clean` is given at most
STRICT_CHANGE = 0.05  # of a column's range, for threshold="strict"
ROUND_BYTES = 2**26  # of one round's samples


class Proposal(NamedTuple):
    """Corrupted samples (B, …), and what the corruption measured on each of them: arrays (B,) by
    name.

    `mask` (B, …) says which columns it has changed where these are not those of the one feature it
    was given. It holds one of that feature's at least: the draw is of that feature.
    """

    x: torch.Tensor
    details: Mapping[str, torch.Tensor]
    mask: torch.Tensor | None = None


class Round(NamedTuple):
    """One round of draws: accepted or not, and why not, in the order of the draws."""

    x: Array
    rows: NDArray[np.int64]
    truth: NDArray[np.bool_]
    error: NDArray[np.float64]
    reason: NDArray[np.str_]
    details: Mapping[str, Array]


@dataclass(frozen=True)
class SingleFeature:
    """A corruption made from a function that proposes new values for one feature.

    Parameters
    ----------
    label
        The label of the samples: the corruption's name.
    propose
        `(detector, x, mask, rng, **parameters)` returns x (B, …) changed where mask (B, …) is true,
        as a tensor or a `Proposal`. It draws from `rng` one row per sample, so that results do not
        depend on how draws are batched. If it has a parameter `clean`, it is given a seeded sample
        of the clean samples: 20,000, fewer where samples × columns pass 2²⁵; with a parameter
        `alarms` the alarms that `generate` is given.
    parameters
        The function's parameters.
    limits
        What `generate` uses where it is not told otherwise, and how many draws it makes at most.
    offered
        Which of `clean` and `alarms` the function asks for.
    called
        How it shows itself.
    """

    label: str
    propose: Callable[..., torch.Tensor | Proposal]
    parameters: Mapping[str, Any]
    limits: Limits = Limits()
    offered: Collection[str] = ()
    called: Called | None = None

    @property
    def asks_alarms(self) -> bool:
        """Whether it does better with alarms that nobody has labelled."""
        return "alarms" in self.offered or self.limits.threshold in (LIKE_ALARMS, MATCHED)

    def generate(
        self,
        detector: Detector,
        clean: Array,
        count: int | None = None,
        threshold: float | str | None = None,
        seed: int = 0,
        alarms: Array | None = None,
    ) -> AnomalySet:
        """Return up to `count` corrupted samples, each made by changing one feature of a random
        clean sample.

        A draw is kept if `score(clean) ≤ threshold < score(corrupted)` and the value really
        changed. `"strict"` keeps it if score(clean) is at most the 95th percentile of normal
        samples, score(corrupted) above their 99.9th, and the change at least a twentieth of the
        range. `"alarm"` keeps it if the clean sample raises no alarm, the corrupted one does (the
        95th percentile of normal samples), and its error is at most the 90th percentile of those
        of `alarms` (A, …), samples that have raised one, where some are given. `"alarms"` asks that
        it be at least their 10th percentile too. It stops after
        `max_draws` draws with what it found; the report says how many were asked for, drawn, and
        rejected for which reason. The threshold is never lowered.
        """
        if len(clean) == 0:
            raise RequestError("there are no clean samples to corrupt")
        detector.features.check(clean.shape[1:])
        threshold = self.limits.threshold if threshold is None else threshold
        count = self.limits.count if count is None else count
        alarms = np.zeros((0, *clean.shape[1:])) if alarms is None else alarms
        gate = Gate.of(detector, threshold, clean.shape[1:], alarms)
        given: dict[str, Array] = {}
        if "clean" in self.offered:
            given["clean"] = sample(clean, most(clean, CLEAN_ROWS))
        if "alarms" in self.offered:
            given["alarms"] = alarms
        proposing = replace(self, parameters={**self.parameters, **given})
        rounds, found = [], 0
        with waiting(f"drawing anomalies by {self!r}") as say:
            for one in proposing._rounds(detector, clean, gate, count, seed):
                rounds.append(one)
                found = min(count, found + int((one.reason == "").sum()))
                say(f"{found:,} of {count:,} anomalies by {self!r}", found / count)
        return _collect(
            rounds,
            detector,
            clean,
            count,
            {"label": self.label, "asked": count, "threshold": threshold} | gate.report(),
        )

    def _rounds(
        self, detector: Detector, clean: Array, gate: Gate, count: int, seed: int
    ) -> Iterator[Round]:
        """Yield rounds of draws until `count` are accepted; each draw depends on its number and the
        seed alone.
        """
        draws, values = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
        shape = clean.shape[1:]
        largest = max(1, ROUND_BYTES // (8 * int(np.prod(shape))))
        found = drawn = 0
        while found < count and drawn < self.limits.max_draws:
            wanted = (
                2 * count if drawn == 0 else int(1.2 * (count - found) * drawn / max(found, 1)) + 1
            )
            size = min(wanted, largest, 5000, self.limits.max_draws - drawn)
            uniform = draws.random(
                (size, 2)
            )  # one row per draw: the same draws in rounds of any size
            rows = (uniform[:, 0] * len(clean)).astype(np.int64)
            features = (uniform[:, 1] * detector.features.count(shape)).astype(np.int64)
            truth = detector.features.masks(features, shape)
            made = self._round(detector, clean, gate, rows, truth, values)
            drawn += size
            found += int((made.reason == "").sum())
            yield made

    def _round(
        self,
        detector: Detector,
        clean: Array,
        gate: Gate,
        rows: NDArray[np.int64],
        truth: NDArray[np.bool_],
        rng: np.random.Generator,
    ) -> Round:
        source = torch.as_tensor(np.asarray(clean[rows])).to(detector.device, detector.dtype)
        mask = torch.as_tensor(truth, device=detector.device)
        proposed = self.propose(detector, source.clone(), mask, rng, **self.parameters)
        proposal = proposed if isinstance(proposed, Proposal) else Proposal(proposed, {})
        if proposal.mask is not None:
            if not bool((proposal.mask & mask).flatten(1).any(dim=1).all()):
                raise ValueError("a corruption's mask must meet the feature that it was given")
            mask, truth = proposal.mask, proposal.mask.cpu().numpy()
        if not torch.equal(proposal.x[~mask], source[~mask]):
            raise ValueError("a corruption may change the columns of its mask alone")
        before, error = (self._errors(detector, x) for x in (source, proposal.x))
        change = (proposal.x - source).abs().double().cpu().numpy()
        details = {name: value.detach().cpu().numpy() for name, value in proposal.details.items()}
        return Round(
            proposal.x.cpu().numpy(),
            rows,
            truth,
            error,
            gate.reasons(before, error, change),
            details,
        )

    def _errors(self, detector: Detector, x: torch.Tensor) -> NDArray[np.float64]:
        """Return errors (B,); SkipError where the loss refuses values outside of the bounds."""
        try:
            return np.asarray(detector.error(x).double().cpu().numpy())
        except RuntimeError as error:
            low, high = (
                torch.as_tensor(bound.copy()).to(x)
                for bound in detector.features.bounds(tuple(x.shape[1:]))
            )
            if bool(((x >= low) & (x <= high)).all()):
                raise
            reason = str(error).partition("\n")[0]
            raise SkipError(
                f"{self.label} leaves the Features' bounds, and the detector refuses such values "
                f"({reason}): bounded=true where a corruption has it, or another one"
            ) from error

    def __repr__(self) -> str:
        return self.label if self.called is None else summaries.in_one_line(self.called)

    def _repr_html_(self) -> str | None:
        return None if self.called is None else summaries.of_component(self.called).html()


@dataclass(frozen=True)
class Gate:
    """Decides which draws count, in units of the reconstruction error."""

    most_before: float
    least_after: float
    least_change: NDArray[np.float64]
    most_after: float = np.inf

    @staticmethod
    def of(
        detector: Detector, threshold: float | str, shape: tuple[int, ...], alarms: Array
    ) -> Gate:
        """Return the gate for a threshold on the score, for the strict one, or for what is like
        alarms (A, …) that are seen.
        """
        scale = detector.calibrated
        low, high = detector.features.bounds(shape)
        if threshold == "strict":
            return Gate(scale.normal_95, scale.normal_999, STRICT_CHANGE * (high - low))
        if threshold in (LIKE_ALARMS, MATCHED):
            least, most = _like(detector, alarms)
            least = max(least, scale.normal_95) if threshold == MATCHED else scale.normal_95
            return Gate(scale.normal_95, least, np.zeros_like(low), most)
        if isinstance(threshold, str) or not 0.0 <= threshold < 1.0:
            raise RequestError(
                f"threshold is 'strict', 'alarm', 'alarms' or a score in [0, 1), not {threshold!r}"
            )
        error = scale.error_at(threshold)
        return Gate(error, error, np.zeros_like(low))

    def report(self) -> dict[str, float]:
        """Return what a set's report says of an upper bound, where there is one."""
        return {"most_error": self.most_after} if np.isfinite(self.most_after) else {}

    def reasons(
        self, before: NDArray[np.float64], error: NDArray[np.float64], change: NDArray[np.float64]
    ) -> NDArray[np.str_]:
        """Return for each draw why it is rejected, or nothing."""
        moved = ((change > 0) & (change >= self.least_change)).reshape(len(change), -1).any(axis=1)
        reason = np.where(error > self.least_after, "", "score not above the threshold").astype(
            "<U40"
        )
        reason[error > self.most_after] = "error above that of most alarms"
        reason[~np.isfinite(error)] = "error not finite"
        reason[~moved] = "value unchanged"
        reason[before > self.most_before] = CLEAN_ABOVE
        return reason


def _like(detector: Detector, alarms: Array) -> tuple[float, float]:
    """Return the least and the greatest error that are like those of alarms (A, …); no bounds where
    there are none.
    """
    if len(alarms) == 0:
        return -float("inf"), float("inf")
    error = detector.error(alarms).double().cpu().numpy()
    least, most = np.quantile(error, [LEAST_MATCHED, MOST_LIKE_ALARMS])
    return float(least), float(most)


def _collect(
    rounds: list[Round], detector: Detector, clean: Array, count: int, report: dict[str, Any]
) -> AnomalySet:
    """Return the first `count` accepted draws and the report of all draws up to the
    last of them.
    """
    reason = np.concatenate([r.reason for r in rounds])
    kept = np.flatnonzero(reason == "")[:count]
    looked_at = reason[: int(kept[-1]) + 1] if len(kept) == count else reason
    x, rows, truth, error = (
        np.concatenate([getattr(r, part) for r in rounds])[kept] for part in Round._fields[:4]
    )
    details = {
        name: np.concatenate([r.details[name] for r in rounds])[kept] for name in rounds[0].details
    }
    report |= {
        "found": len(kept),
        "distinct": len(
            {(int(row), mask.tobytes()) for row, mask in zip(rows, truth, strict=True)}
        ),
        "draws": len(looked_at),
        "rejected": dict(Counter(r for r in looked_at.tolist() if r)),
        "clean_above_threshold": float((looked_at == CLEAN_ABOVE).mean()),
    }
    report |= {"truth": "cause"}
    report |= {
        name: float(value.mean())
        for name, value in details.items()
        if value.dtype == np.bool_ and len(value)
    }
    score = detector.calibrated.score(torch.as_tensor(error)).numpy()
    label = np.full(len(kept), report["label"])
    return AnomalySet(
        x,
        truth,
        score,
        error,
        label,
        rows,
        detector.features,
        np.asarray(clean[rows]),
        details,
        report,
    )
