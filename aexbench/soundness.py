"""Is a detector what a board can be made of? Two calls agree, and a sample's error is its own.

A network that draws noise when it is evaluated, or whose samples influence each other in a batch,
gives every explainer another question at every call: no honest board can follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from aexbench import state
from aexbench.errors import RequestError
from aexbench.rows import Rows

if TYPE_CHECKING:
    from aexbench.detector import Detector

TOLERANCE = 1e-4  # of a sample's error; float32 products differ by 1e-6
ROUNDINGS = 8  # times the type's precision, of x: what x − x̂ may lose besides
SAMPLES, ALONE = 32, 4  # in the chunk, and of it one by one

NOISE = (
    "two calls of the model on the same samples differ, by {gap:.1g} of the error: it draws noise. "
    "Explain the mean path (decode the mean, put dropout in evaluation mode), or Detector(model, "
    "draws=50) for the mean of 50 seeded draws"
)
STATISTICS = (
    "a sample's error depends on the batch that it comes in: the model normalises by the batch's "
    "statistics. Give it its own (track_running_stats=True, or training=self.training)"
)
NEGATIVE = (
    "the reconstruction error of a sample is negative: a loss returns each column's share, at "
    "least 0"
)
UNSEEDED = (
    "two means of the model's draws differ, by {gap:.1g} of the error: draws=k seeds torch's "
    "random state, and this model draws from another one (NumPy's, a generator of its own). "
    "Explain the mean path (decode the mean)"
)
BATCH_GAP = (
    "a sample's error depends on the batch that it comes in (statistics of the batch, or batch and "
    "time exchanged: batch_first=True? On a GPU: torch.backends.cudnn.allow_tf32 = False). Mend "
    "the model, or Detector(model, batch=1); "
    "alone and in a batch it differs by {gap:.1g} of itself"
)


class DetectorWarning(UserWarning):
    """A detector gives every explainer another question at every call."""


DRAWS, DECIDES, NO_ERROR = "draws noise", "batch decides", "negative error"


class Finding(NamedTuple):
    """What is wrong with a detector: a short name, and one line that says what to do."""

    name: str
    text: str


def findings(detector: Detector, x: torch.Tensor) -> list[Finding]:
    """Return what is unsound about a detector, seen on samples (N, …); nothing as a rule.

    It takes two forward passes of a chunk of at most 32 samples, and of four samples by themselves.
    """
    x = x[_spread(len(x))]
    devices = [detector.device] if detector.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        first, again = watched(detector, x), detector.error(x)
        if bool((first < 0).any()):
            return [Finding(NO_ERROR, NEGATIVE)]
        if (gap := _gap(detector, x, first, again)) > TOLERANCE:
            return [Finding(DRAWS, (UNSEEDED if detector.draws else NOISE).format(gap=gap))]
        alone = torch.cat([detector.error(one) for one in x[:ALONE].split(1)])
        if (gap := _gap(detector, x[:ALONE], first[:ALONE], alone)) > TOLERANCE:
            return [Finding(DECIDES, BATCH_GAP.format(gap=gap))]
    return []


def _spread(count: int) -> list[int]:
    """Return the numbers of at most 32 samples, first to last: neighbours may be alike."""
    return sorted(set(np.linspace(0, max(count - 1, 0), min(count, SAMPLES)).astype(int).tolist()))


def watched(detector: Detector, x: torch.Tensor) -> torch.Tensor:
    """Return the errors of samples, and note what the model itself changes when it is called."""
    before = state.marks(detector)
    error = detector.error(x)
    detector.own |= state.changed(before, state.marks(detector))
    return error


def check(detector: Detector, rows: Rows) -> None:
    """Raise RequestError where a detector is unsound, seen on some of the normal rows."""
    if detector.dtype == torch.bfloat16:
        raise RequestError("samples are kept as NumPy's, which knows no bfloat16: model.float()")
    known = np.array(rows[np.array(_spread(len(rows)))])
    block = torch.as_tensor(known).to(detector.device, detector.dtype)
    for finding in findings(detector, block):
        raise RequestError(f"no honest board can follow: {finding.text}")


def _gap(detector: Detector, x: torch.Tensor, one: torch.Tensor, other: torch.Tensor) -> float:
    """Return by how much of itself the error of a sample differs, beyond what rounding can do."""
    error = torch.maximum(one.abs(), other.abs()).double()
    lost = (
        ROUNDINGS * torch.finfo(detector.dtype).eps * x.double().flatten(1).square().mean(1).sqrt()
    )
    rounding = lost * error.sqrt() + lost**2 if detector.loss == "l2" else lost
    beyond = ((one - other).abs().double() - rounding).clamp_min(0)
    return float((beyond / error.clamp_min(torch.finfo(torch.float64).tiny)).max())
