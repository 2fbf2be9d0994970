"""Likelihood compensation: the correction of a sample that makes it most likely, by a prior that
keeps corrections small and few.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch
from annotated_types import Ge, Gt
from numpy.typing import ArrayLike

from aexbench import Detector
from aexbench.detector import in_chunks
from aexbench.explainers import register
from aexbench.explainers.tools.baselines import normal_rows
from aexbench.explainers.tools.confined import leaving_the_range
from aexbench.explainers.tools.gradients import require_gradient
from aexbench.explainers.tools.precision import precise
from aexbench.explainers.tools.units import Units, error_unit
from aexbench.rows import most, sample

NORMAL_SAMPLES = 10_000  # of the background, at most, drawn with a fixed seed
UNIFORM = 12**-0.5  # the standard deviation of a uniform column, as a share of its range
LEAST_NOISE = 1e-3  # of the range: a perfect autoencoder's likelihood would have no width
GROWTH, SHRINKAGE = 1.1, 0.5  # of the step length after a step that holds, and one that does not
# A gradient keeps activations and their gradients: at most this many forward passes' memory.
GRAPH = 4


class _State(NamedTuple):
    """Where the search stands, sample by sample; corrections are in units of the prior."""

    x: torch.Tensor  # (N, M)
    change: torch.Tensor  # (N, M), the best correction so far
    objective: torch.Tensor  # (N, 1), of that
    point: torch.Tensor  # (N, M), where the next step starts: beyond it, by its momentum
    momentum: torch.Tensor  # (N, 1)
    step: torch.Tensor  # (N, 1)


@register("likelihood-compensation", version=1)
class LikelihoodCompensation:
    """Return |u|, where u minimises M e(x + s u) / (2σ²) + l2 (½ ‖u‖² + l1_ratio ‖u‖₁).

    The authors explain a regression y = f(x): of all x + δ they take that which makes the observed
    y most likely, under a Gaussian y ~ N(f(x + δ), σ²) and an elastic-net prior of δ. Adapted to an
    autoencoder, which has no y: the compensated sample is its own target, all its M columns are
    observed, and the log-likelihood is −M e / (2σ²), with the mean squared error e. σ² is the mean
    of e over normal samples. (The given sample x held as the target instead, as y is, would ask for
    an input that is reconstructed as the anomaly.) Their data are standardised; here s is the
    standard deviation of a uniform column, its range (`high` − `low` of the Features) / √12.

    Beside `arcana`: that weighs |b| against the plain error, in the same way for a detector that is
    exact and one that is not, begins at the reconstruction, and ends after a number of small steps,
    near to where it began. Here errors count by how large normal ones are, so that a sample is
    corrected until it is normal and no further; it begins without any correction and goes to the
    minimum; and the squares let columns that depend on each other share, where |b| alone picks one.
    (Of a linear network that projects, squares alone give |x − x̂|, scaled.)

    Each step is one of FISTA, with backtracking, begun anew where the objective would rise. A
    float64 copy of the model is asked where it has one: paths differ with the batch by rounding. A
    step takes two forward and one backward pass of a sample. The squared error is part of the
    method, whatever the detector's own loss: there is no `loss` to choose.

    Parameters
    ----------
    detector
        Whose error is explained. Each column is compensated by itself, in a feature group too.
    background : (B, …)
        Normal samples, the training split, for σ²: of more than 10,000 a seeded sample, fewer where
        samples × columns pass 2²⁵. σ is at least a thousandth of the range.
    l2
        The precision of the prior's Gaussian part (the paper's λ).
    l1_ratio
        The weight of the absolute values in units of `l2` (the paper's ν is l2 · l1_ratio): larger
        leaves fewer corrections.
    steps
        Of the search, as many for every sample.

    Raises
    ------
    SkipError
        Where x̂ does not hang on x for autograd, or the model refuses gradients, or values outside
        of the features' `low` and `high`.

    References
    ----------
    Idé, Dhurandhar, Navrátil, Singh and Abe 2021, "Anomaly Attribution with Likelihood
    Compensation", AAAI-21, section "Likelihood Compensation": the maximum of likelihood times
    prior, by proximal gradients; extended in Idé and Abe 2023, "Black-Box Anomaly Attribution",
    arXiv:2305.18440. `l2` and `l1_ratio` are the defaults of the authors' program
    (`gpa_map_gaussian`, Idesan/gpa), whose 50 steps of a rate that falls by a tenth each time stop
    short of the minimum. FISTA: Beck and Teboulle 2009; restarts: O'Donoghue and Candès 2015,
    "Adaptive Restart for Accelerated Gradient Schemes", Sec. 3.2 (function scheme).
    """

    def __init__(
        self,
        detector: Detector,
        *,
        background: ArrayLike,
        l2: Annotated[float, Gt(0)] = 0.1,
        l1_ratio: Annotated[float, Ge(0)] = 0.5,
        steps: Annotated[int, Ge(1)] = 200,
    ) -> None:
        rows = normal_rows(detector, background)
        shape = tuple(rows.shape[1:])
        with torch.inference_mode(False):  # what it makes cannot meet autograd
            self.detector = precise(detector.with_loss("l2"), shape)
            span = torch.as_tensor(Units.of(detector.features, shape).span.flatten())
            self.scale = (UNIFORM * span).to(self.detector.device)
        normal = sample(rows, most(rows, NORMAL_SAMPLES))
        least = LEAST_NOISE**2 * error_unit(self.detector, shape)
        self.variance = max(least, float(self.detector.error(normal).double().mean()))
        self.l2, self.l1, self.steps = l2, l2 * l1_ratio, steps

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sizes of the corrections (N, …), none below 0."""
        require_gradient(self.detector, x.to(self.detector.dtype))
        rows = max(1, self.detector.chunk_rows(x) // GRAPH)
        confined = leaving_the_range("likelihood-compensation", self.detector, x)
        with confined, torch.inference_mode(False), torch.enable_grad():
            found = in_chunks(self._compensation, x.double().clone(), rows)
        return found.to(torch.promote_types(x.dtype, torch.float32))

    def _compensation(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(1)
        zero, one = torch.zeros_like(flat), torch.ones_like(flat[:, :1])
        # The curvature of a mean of squares, and what a network does to it comes by backtracking.
        step = self.variance / UNIFORM**2 / error_unit(self.detector, tuple(x.shape[1:])) * one
        start = self._likelihood(flat, zero, x.shape)
        state = _State(flat, zero, start, zero, one, step)
        for _ in range(self.steps):
            state = self._moved(state, x.shape)
        return state.change.abs().view(x.shape)

    def _moved(self, now: _State, shape: torch.Size) -> _State:
        """Take one step from the point, where it leads as far down as it promises; else shorten it,
        or begin anew without momentum where it leads up.
        """
        error, gradient = self._differentiated(now.x, now.point, shape)
        change = self._shrunk(now.point - now.step * gradient, now.step)
        after, way = self._likelihood(now.x, change, shape), change - now.point
        promised = error + (gradient * way + way.square() / (2 * now.step)).sum(1, keepdim=True)
        # Rounding must not decide: it differs with the batch.
        holds = after <= promised + 10 * torch.finfo(self.detector.dtype).eps * error
        objective = after + self._penalty(change)
        taken = holds & (objective <= now.objective)
        momentum = (1 + (1 + 4 * now.momentum.square()).sqrt()) / 2
        further = change + (now.momentum - 1) / momentum * (change - now.change)
        return _State(
            now.x,
            torch.where(taken, change, now.change),
            torch.where(taken, objective, now.objective),
            torch.where(taken, further, torch.where(holds, now.change, now.point)),
            torch.where(taken, momentum, torch.where(holds, 1.0, now.momentum)),
            now.step * torch.where(holds, GROWTH, SHRINKAGE),
        )

    def _shrunk(self, values: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """Return the proximal point: nearer to zero by the absolute values, then by the squares."""
        sizes = (values.abs() - step * self.l1).clamp_min(0)
        return values.sign() * sizes / (1 + step * self.l2)

    def _penalty(self, change: torch.Tensor) -> torch.Tensor:
        """Return l2 (½ ‖u‖² + l1_ratio ‖u‖₁) (N, 1)."""
        return (self.l2 / 2 * change.square() + self.l1 * change.abs()).sum(1, keepdim=True)

    def _likelihood(self, x: torch.Tensor, change: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        """Return M e(x + s u) / (2σ²) (N, 1): less likely the larger."""
        error = self.detector.error((x + change * self.scale).view(-1, *shape[1:])).double()
        return error[:, None] * (x.shape[1] / 2 / self.variance)

    def _differentiated(
        self, x: torch.Tensor, change: torch.Tensor, shape: torch.Size
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the same, and its gradient (N, M) with respect to u."""
        change = change.detach().requires_grad_()
        found = self._likelihood(x, change, shape)
        if not found.requires_grad:  # it does not depend on x
            return found, torch.zeros_like(change)
        (gradient,) = torch.autograd.grad(found.sum(), change)
        return found.detach(), gradient
