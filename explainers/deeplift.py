"""DeepLIFT of the error, by captum; every answer is checked to be complete."""

from __future__ import annotations

import warnings
from typing import Literal

import torch
from numpy.typing import ArrayLike

from aexbench import Detector, SkipError
from aexbench.detector import in_chunks, is_out_of_memory
from aexbench.explainers import register
from aexbench.explainers.tools import baselines
from aexbench.explainers.tools.baselines import BaselineName
from aexbench.explainers.tools.gradients import require_gradient
from aexbench.explainers.tools.precision import doubled
from aexbench.explainers.tools.units import Units, error_unit
from aexbench.extras import optional

# DeepLIFT's attributions count as complete if they miss no more than this of the greater of e(x)
# and e(baseline).
TOLERANCE = 1e-6
LEAST_ERROR = 1e-9  # of that of the whole ranges: of a lesser one, rounding alone is more
# Of a column's range: where two differences x − x̂ are nearer, the loss's slope is taken from around
# them.
STEP = 1e-9
# captum's rules for these take from other samples of the batch (captum issue 1276), which
# completeness does not show.
MIXING = (torch.nn.Softmax, torch.nn.MaxPool1d, torch.nn.MaxPool2d, torch.nn.MaxPool3d)

NO_RULE = (
    "captum's rules are for ReLU, LeakyReLU, ELU, Sigmoid, Tanh, Softplus, each a module of its "
    "own that alone takes "
    "its input and runs once; use integrated-gradients"
)
LOSS = "the loss is not one of the difference x − x̂ alone; use integrated-gradients"


@register("deeplift", version=1)
class DeepLift:
    """DeepLIFT of e(x) by the rescale rule: each unit hands on the slope between its two states, at
    x and a baseline.

    The attributions sum to e(x) − e(baseline). captum knows the rule for ReLU, LeakyReLU, ELU,
    Sigmoid, Tanh and Softplus, each a module of its own that alone takes its input and runs once;
    layers that are linear need none. What else there is (functional activations, other kinds,
    products of activations) it would replace by its gradient without a word, so every answer is
    checked to be complete, and skipped if it is not. The slope of the loss, unknown to captum, is
    ours.

    Parameters
    ----------
    detector
        Whose error is explained; a copy of its model in float64 is made once and takes captum's
        hooks.
    background : (B, …)
        Normal samples, the training split.
    baseline
        `mean` of the background, `zeros` (the features' `low`), the `nearest` normal sample, or the
        `reconstruction` x̂, held constant.
    loss
        The detector's own where it is left out.

    Raises
    ------
    SkipError
        Where captum's rules do not cover the model, it does not run in float64, or x̂ does not hang
        on x for autograd, or the loss is not one of x − x̂ alone.

    References
    ----------
    Shrikumar, Greenside and Kundaje 2017, "Learning Important Features Through Propagating
    Activation Differences", Sec. 3.5 (rescale rule) and Eq. 1 (summation to delta).
    """

    def __init__(
        self,
        detector: Detector,
        *,
        background: ArrayLike,
        baseline: BaselineName = "mean",
        loss: Literal["l1", "l2"] | None = None,
    ) -> None:
        method = optional("captum.attr").DeepLift
        mixing = [
            type(module).__name__
            for module in detector.model.modules()
            if isinstance(module, MIXING)
        ]
        if mixing:
            raise SkipError(
                f"deeplift: captum's rule for {mixing[0]} mixes samples; use integrated-gradients"
            )
        rows = baselines.normal_rows(detector, background)
        try:
            self.detector = doubled(detector.with_loss(loss), tuple(rows.shape[1:]))
        except SkipError as error:
            raise SkipError(f"deeplift: {error}; use integrated-gradients") from error
        self.baseline = baselines.baseline(baseline, self.detector, background)
        self.least = LEAST_ERROR * error_unit(self.detector, tuple(rows.shape[1:]))
        self.method = method(_Rescaled(self.detector))

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return contributions (N, …) to the difference from the baseline's error."""
        require_gradient(self.detector, x.double())
        rows = max(1, self.detector.chunk_rows(x) // 2)
        return in_chunks(self._complete, x.double(), rows).to(x.dtype)

    def _complete(self, part: torch.Tensor) -> torch.Tensor:
        """Return the attributions of a chunk, after a check that they sum to what they promise."""
        normal = self.baseline(part)
        found = self._attribute(part, normal)
        errors = torch.stack([self.detector.error(part), self.detector.error(normal)])
        missed = (found.flatten(1).sum(1) - (errors[0] - errors[1])).abs() / errors.amax(
            dim=0
        ).clamp_min(self.least)
        if bool(
            (missed > TOLERANCE).any()
        ):  # a sample that is not finite misses nothing that can be told
            raise SkipError(
                f"deeplift: attributions miss {float(missed.nan_to_num().max()):.1g} of the "
                f"error: {NO_RULE if self._of_difference(part) else LOSS}"
            )
        return found

    def _attribute(self, part: torch.Tensor, normal: torch.Tensor) -> torch.Tensor:
        try:
            with torch.inference_mode(False), torch.enable_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that captum sets hooks on the copy
                found: torch.Tensor = self.method.attribute(
                    part.clone().requires_grad_(), normal.clone()
                )
        except Exception as error:  # a loss may raise anything where it is asked of x − x̂ and 0
            if isinstance(error, RuntimeError) and "used more than once" in str(error):
                raise SkipError(f"deeplift: one of the modules runs twice: {NO_RULE}") from error
            if is_out_of_memory(error) or self._of_difference(part):
                raise
            raise SkipError(f"deeplift: {LOSS}") from error
        return found.detach()

    def _of_difference(self, x: torch.Tensor) -> bool:
        """Whether the loss knows x and x̂ by their difference alone."""
        x_hat = self.detector.reconstruct(x)
        own, d = self.detector.error_share(x, x_hat), x - x_hat
        try:
            alone = self.detector.error_share(d, torch.zeros_like(d))
        except Exception:  # such as a cross-entropy of what lies below 0
            return False
        return torch.allclose(alone, own, equal_nan=True)


class _Rescaled(torch.nn.Module):
    """A function of x and its baseline, in one batch one after the other, whose gradient is the
    loss's slope.
    """

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.model, self.share, self.features = (
            detector.model,
            detector.error_share,
            detector.features,
        )

    def forward(self, both: torch.Tensor) -> torch.Tensor:
        """Return e(x) − e(baseline), then as many zeros; captum differentiates it by x."""
        d, normal = (both - self.model(both.clone())).chunk(
            2
        )  # a copy: captum's hooks take over a module's input
        slope = self._slope(d.detach(), normal.detach())
        gained = (slope * (d - normal)).flatten(1).sum(1)
        return torch.cat([gained, torch.zeros_like(gained)])

    def _slope(self, d: torch.Tensor, normal: torch.Tensor) -> torch.Tensor:
        """Return the slope of each column's share of the error between two differences x − x̂."""
        step = STEP * Units.of(self.features, tuple(d.shape[1:])).tensors(d)[1]
        near = (d - normal).abs() < step
        d, normal = torch.where(near, d + step, d), torch.where(near, d - step, normal)
        rise = self.share(d, torch.zeros_like(d)) - self.share(normal, torch.zeros_like(d))
        return rise / (d - normal)
