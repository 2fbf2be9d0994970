"""Counterfactual: which few features have to change, and by how much, until the detector finds the
sample normal?
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import torch
from annotated_types import Ge, Le
from numpy.typing import ArrayLike

from aexbench import Detector
from aexbench.detector import in_chunks
from aexbench.explainers import register
from aexbench.explainers.tools.baselines import normal_rows
from aexbench.explainers.tools.gradients import require_gradient
from aexbench.explainers.tools.precision import precise
from aexbench.explainers.tools.units import Units, error_unit
from aexbench.rows import most, sample

BACKGROUND_SAMPLES = 10_000  # whose errors give the threshold, drawn with a fixed seed
LEAST_FALL = 0.5  # of the sample's own error: what is normal already has a map too
LEAST_WEIGHT = 1e-3  # of the weight at which no feature changes: where the path ends
GROWTH, SHRINKAGE = (
    1.2,
    0.5,
)  # of the step length after a step that is kept, and after one that is not
TIES = 1e-6  # of a feature's range: the order of those that stay as they are
# A gradient keeps activations and their gradients: at most this many forward passes' memory.
GRAPH = 4


class _Repair(NamedTuple):
    """Where the repair of each sample stands; changes u and gradients are in units of the features'
    ranges.
    """

    x: torch.Tensor  # (N, M)
    change: torch.Tensor  # (N, M)
    error: torch.Tensor  # (N, 1)
    gradient: torch.Tensor  # (N, M)
    step: torch.Tensor  # (N, 1)
    weight: torch.Tensor  # (N, 1), at the start of the path
    target: torch.Tensor  # (N, 1)

    def rows(self, keep: torch.Tensor) -> _Repair:
        return _Repair(*(part[keep] for part in self))


@register("counterfactual", version=1)
class Counterfactual:
    """Return |u|, the change of each column that repairs a sample, in units of its range (`high` −
    `low`).

    It minimises `e(x + u · range) + λ Σ_g ‖u_g‖` over u, for weights λ that fall from the least one
    at which u = 0 is the minimum: features enter one by one, and a sample is repaired as soon as
    its error is normal. Each weight takes one proximal gradient step, shortened for a sample where
    it does not hold what it promises. Values stay between `low` and `high`, or x where that lies
    outside (within a group of columns, that is only nearly the minimum).

    What does not change is ordered by |∂e/∂u| at the end, the order in which it would enter, in
    amounts below 10⁻⁶.

    A float64 copy of the model is asked where it has one: in single precision rounding would decide
    which features enter, and differ with the batch. On a CPU a pass takes up to six times as long
    as in float32.

    Parameters
    ----------
    detector
        Whose error is explained. The columns of a feature group g enter together.
    background : (B, …)
        Normal samples, the training split.
    loss
        The detector's own where it is left out.
    quantile
        Of the errors of (10,000 samples of) the background, fewer where samples × columns pass 2²⁵:
        an error up to it is normal. The error has to fall by half at least, so that samples that
        are normal already are explained too.
    steps
        At most; λ falls geometrically to 1/1000 in that many. Each takes one forward and one
        backward pass of the samples that are not repaired yet; as a rule it ends long before.

    Raises
    ------
    SkipError
        Where x̂ does not hang on x for autograd, or the model refuses gradients.

    References
    ----------
    Wachter, Mittelstadt, Russell 2017, "Counterfactual Explanations without Opening the Black Box"
    (the least change that alters the outcome); of anomaly detectors, by gradients: Sulem et al.
    2022, "Diverse Counterfactual Explanations for Anomaly Detection in Time Series". Beck and
    Teboulle 2009, "A Fast Iterative Shrinkage-Thresholding Algorithm for Linear Inverse Problems"
    (ISTA with backtracking); groups: Yuan and Lin 2006; falling weights: Hale, Yin, Zhang 2008,
    "Fixed-Point Continuation for l1-Minimization". Their combination is this project's.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        background: ArrayLike,
        loss: Literal["l1", "l2"] | None = None,
        quantile: Annotated[float, Ge(0), Le(1)] = 0.95,
        steps: Annotated[int, Ge(1)] = 200,
    ) -> None:
        rows = normal_rows(detector, background)
        shape, self.steps = tuple(rows.shape[1:]), steps
        with torch.inference_mode(False):  # what it makes cannot meet autograd
            self.detector = precise(detector.with_loss(loss), shape)
            self._describe(shape)
        normal = sample(rows, most(rows, BACKGROUND_SAMPLES))
        self.normal_error = float(self.detector.error(normal).double().quantile(quantile))

    def _describe(self, shape: tuple[int, ...]) -> None:
        """Keep the columns' bounds, ranges and groups, and the error that the ranges make."""
        features, device = self.detector.features, self.detector.device
        self.low, self.high = (
            torch.as_tensor(bound.flatten()).to(device) for bound in features.bounds(shape)
        )
        self.range = torch.as_tensor(Units.of(features, shape).span.flatten()).to(device)
        self.unit = error_unit(self.detector, shape)
        groups = range(len(self.low)) if features.groups is None else features.groups
        self.groups = torch.as_tensor(groups, device=device)

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return the changes (N, …), none below 0."""
        require_gradient(self.detector, x.to(self.detector.dtype))
        rows = max(1, self.detector.chunk_rows(x) // GRAPH)
        with torch.inference_mode(False), torch.enable_grad():
            found = in_chunks(self._changes, x.double().clone(), rows)
        return found.to(torch.promote_types(x.dtype, torch.float32))

    def _changes(self, x: torch.Tensor) -> torch.Tensor:
        """Follow the path, each sample until it is repaired."""
        repair, found, rows = (
            self._start(x),
            torch.zeros_like(x),
            torch.arange(len(x), device=x.device),
        )
        for step in range(1, self.steps + 1):
            repair = self._moved(
                repair, x.shape, LEAST_WEIGHT ** (step / self.steps) * repair.weight
            )
            done = (repair.error <= repair.target)[:, 0] | (step == self.steps)
            order = repair.gradient.abs() / repair.weight
            found[rows[done]] = (repair.change.abs() + TIES * order)[done].view(-1, *x.shape[1:])
            rows, repair = rows[~done], repair.rows(~done)
            if len(rows) == 0:
                break
        return found

    def _start(self, x: torch.Tensor) -> _Repair:
        flat = x.flatten(1)
        error, gradient = self._error(flat, torch.zeros_like(flat), x.shape)
        weight = self._norms(gradient).amax(1, keepdim=True).clamp_min(torch.finfo(flat.dtype).tiny)
        step = torch.full_like(error, flat.shape[1] / 2 / self.unit)  # that of a mean of squares
        target = (LEAST_FALL * error).clamp_max(self.normal_error)
        return _Repair(flat, torch.zeros_like(flat), error, gradient, step, weight, target)

    def _moved(self, now: _Repair, shape: torch.Size, weight: torch.Tensor) -> _Repair:
        """Take one proximal gradient step, where it leads as far down as it promises; else shorten
        it.
        """
        aim = now.change - now.step * now.gradient
        least = now.step * weight / self._norms(aim).clamp_min(torch.finfo(aim.dtype).tiny)
        change = aim * (1 - least).clamp_min(0)[:, self.groups]
        low, high = torch.minimum(self.low, now.x) - now.x, torch.maximum(self.high, now.x) - now.x
        change = torch.minimum(torch.maximum(change, low / self.range), high / self.range)
        error, gradient = self._error(now.x, change, shape)
        way = change - now.change
        promised = now.error + (now.gradient * way + way.square() / (2 * now.step)).sum(
            1, keepdim=True
        )
        # Rounding must not decide: it differs with the batch.
        kept = error <= promised + 10 * torch.finfo(self.detector.dtype).eps * now.error
        return now._replace(
            change=torch.where(kept, change, now.change),
            error=torch.where(kept, error, now.error),
            gradient=torch.where(kept, gradient, now.gradient),
            step=now.step * torch.where(kept, GROWTH, SHRINKAGE),
        )

    def _error(
        self, x: torch.Tensor, change: torch.Tensor, shape: torch.Size
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return e(x + u · range) (N, 1), and its gradient (N, M) with respect to u."""
        change = change.detach().requires_grad_()
        error = self.detector.error((x + change * self.range).view(-1, *shape[1:])).double()
        if not error.requires_grad:  # it does not depend on x
            return error[:, None], torch.zeros_like(change)
        (gradient,) = torch.autograd.grad(error.sum(), change)
        return error.detach()[:, None], gradient

    def _norms(self, values: torch.Tensor) -> torch.Tensor:
        """Return the Euclidean norms (N, G) over each group of columns."""
        squares = values.new_zeros(len(values), int(self.groups.max()) + 1)
        return squares.index_add_(1, self.groups, values.square()).sqrt()
