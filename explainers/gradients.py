"""Gradients of the error: saliency, input-x-gradient, smoothgrad, gradient-shap, deeplift.

The first four are captum's formulas with noise of our own: captum draws for a whole batch from
torch's global state, so that a sample's answer would change with its batch. DeepLIFT is captum's.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge
from numpy.typing import ArrayLike

from aexbench import Detector, SkipError
from aexbench.detector import in_chunks
from aexbench.explainers import register
from aexbench.explainers.tools import baselines, seeding
from aexbench.explainers.tools.baselines import BaselineName
from aexbench.explainers.tools.precision import doubled
from aexbench.extras import optional
from aexbench.rows import sample

REFERENCES = 1000  # samples of the background that gradient-shap draws from, at most

# DeepLIFT's attributions count as complete if they miss no more than this of the greater of e(x)
# and e(baseline).
TOLERANCE = 1e-6
LEAST_ERROR = 1e-9  # of a lesser error, rounding alone is more than that
STEP = 1e-9  # where two differences x − x̂ are nearer, the loss's slope is taken from around them
# captum's rules for these take from other samples of the batch (captum issue 1276), which
# completeness does not show.
MIXING = (torch.nn.Softmax, torch.nn.MaxPool1d, torch.nn.MaxPool2d, torch.nn.MaxPool3d)

NO_RULE = (
    "captum's rules are for ReLU, LeakyReLU, ELU, Sigmoid, Tanh, Softplus, each a module of its "
    "own that alone takes "
    "its input and runs once; use integrated-gradients"
)

Points = Callable[
    [torch.Tensor], tuple[torch.Tensor, torch.Tensor | float]
]  # of draws by their numbers, in order
Draw = Callable[[torch.Tensor, list[np.random.Generator]], Points]


@register("saliency")
def saliency(
    detector: Detector, x: torch.Tensor, *, loss: Literal["l1", "l2"] | None = None
) -> torch.Tensor:
    """Return |∂e/∂x|: how fast the error changes with each column, whatever the direction.

    Parameters
    ----------
    loss
        The detector's own where it is left out.

    References
    ----------
    Simonyan, Vedaldi and Zisserman 2014, "Deep Inside Convolutional Networks", Sec. 3: the absolute
    value of the derivative. They take the greatest of an image's channels; here each has its own.
    """
    detector = detector.with_loss(loss)
    return detector.error_gradient(_samples(detector, x)).abs()


@register("input-x-gradient")
def input_x_gradient(
    detector: Detector, x: torch.Tensor, *, loss: Literal["l1", "l2"] | None = None
) -> torch.Tensor:
    """Return x · ∂e/∂x: what each column gives to the error if the error were linear and normal
    were zero.

    Parameters
    ----------
    loss
        The detector's own where it is left out.

    References
    ----------
    Shrikumar et al. 2016, "Not Just a Black Box: Learning Important Features Through Propagating
    Activation Differences": gradient × input.
    """
    detector = detector.with_loss(loss)
    samples = _samples(detector, x)
    return samples * detector.error_gradient(samples)


@register("smoothgrad")
def smoothgrad(
    detector: Detector,
    x: torch.Tensor,
    *,
    nsamples: Annotated[int, Ge(1)] = 50,
    noise: Annotated[float, Ge(0)] = 0.1,
    seed: Annotated[int, Ge(0)] = 0,
    loss: Literal["l1", "l2"] | None = None,
) -> torch.Tensor:
    """Return |mean of ∂e/∂x over noisy copies of x|; without noise it is the saliency.

    Parameters
    ----------
    nsamples
        Noisy copies of each sample.
    noise
        Standard deviation of the noise, as a share of each column's regular range (`Features.low`
        to `high`). The paper recommends 0.1 to 0.2.
    seed
        Of the noise, along with each sample's content.
    loss
        The detector's own where it is left out.

    References
    ----------
    Smilkov et al. 2017, "SmoothGrad: removing noise by adding noise", Sec. 2. The absolute value is
    taken of the mean, so that noise in the gradient cancels.
    """
    detector = detector.with_loss(loss)
    low, high = detector.features.bounds(tuple(x.shape[1:]))

    def noisy(part: torch.Tensor, generators: list[np.random.Generator]) -> Points:
        spread = torch.as_tensor(noise * (high - low)).to(part)

        def points(draws: torch.Tensor) -> tuple[torch.Tensor, float]:
            shape = (len(draws), *part.shape[1:])
            drawn = np.stack(
                [generator.standard_normal(shape, dtype=np.float32) for generator in generators]
            )
            return part[:, None] + spread * torch.as_tensor(drawn).to(part), 1.0

        return points

    return _averaged(detector, x, nsamples, seed, noisy).abs()


@register("gradient-shap")
class GradientShap:
    """Return the mean of (x − b) · ∂e/∂x at b + α (x − b), with b from the background and α from
    [0, 1] at random.

    In expectation the attributions sum to e(x) − E e(b) over the background.

    Parameters
    ----------
    detector
        Whose error is explained.
    background : (B, …)
        Normal samples, the training split. Of a larger one than 1000 a seeded sample of so many is
        taken.
    nsamples
        Pairs of b and α for each sample.
    seed
        Of the sample of the background, and along with each sample's content of its pairs.
    loss
        The detector's own where it is left out.

    References
    ----------
    Erion et al. 2021, "Improving performance of deep learning models with axiomatic attribution
    priors and expected gradients", definition of expected gradients; `GradientExplainer` of shap
    and `GradientShap` of captum.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        background: ArrayLike,
        nsamples: Annotated[int, Ge(1)] = 200,
        seed: Annotated[int, Ge(0)] = 0,
        loss: Literal["l1", "l2"] | None = None,
    ) -> None:
        self.detector = detector.with_loss(loss)
        self.references = sample(baselines.normal_rows(detector, background), REFERENCES, seed)
        self.nsamples, self.seed = nsamples, seed

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean over `nsamples` pairs (N, …)."""
        return _averaged(self.detector, x, self.nsamples, self.seed, self._pairs)

    def _pairs(self, part: torch.Tensor, generators: list[np.random.Generator]) -> Points:
        rows = np.stack(
            [
                generator.integers(len(self.references), size=self.nsamples)
                for generator in generators
            ]
        )
        alphas = torch.as_tensor(
            np.stack([generator.random(self.nsamples) for generator in generators])
        ).to(part)

        def points(draws: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            normal = torch.as_tensor(self.references[rows[:, draws.numpy()]]).to(part)
            difference = part[:, None] - normal
            alpha = alphas[:, draws.to(alphas.device)].view(
                *normal.shape[:2], *[1] * (part.dim() - 1)
            )
            return normal + alpha * difference, difference

        return points


@register("deeplift")
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
        `mean` of the background, `zeros`, the `nearest` normal sample, or the `reconstruction` x̂,
        held constant.
    loss
        The detector's own where it is left out.

    Raises
    ------
    SkipError
        Where captum's rules do not cover the model, or it does not run in float64.

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
        self.dtype = detector.dtype
        rows = baselines.normal_rows(detector, background)
        try:
            self.detector = doubled(detector.with_loss(loss), tuple(rows.shape[1:]))
        except SkipError as error:
            raise SkipError(f"deeplift: {error}; use integrated-gradients") from error
        self.baseline = baselines.baseline(baseline, self.detector, background)
        self.method = method(_Rescaled(self.detector))

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return contributions (N, …) to the difference from the baseline's error."""
        samples = _samples(self.detector, x)
        if len(samples) == 0:
            return samples
        return in_chunks(
            self._complete, samples, max(1, self.detector.chunk_rows(samples) // 2)
        ).to(self.dtype)

    def _complete(self, part: torch.Tensor) -> torch.Tensor:
        """Return the attributions of a chunk, after a check that they sum to what they promise."""
        normal = self.baseline(part)
        found = self._attribute(part, normal)
        errors = torch.stack([self.detector.error(part), self.detector.error(normal)])
        missed = (found.flatten(1).sum(1) - (errors[0] - errors[1])).abs() / errors.amax(
            dim=0
        ).clamp_min(LEAST_ERROR)
        if bool(
            (missed > TOLERANCE).any()
        ):  # a sample that is not finite misses nothing that can be told
            raise SkipError(
                f"deeplift: attributions miss {float(missed.nan_to_num().max()):.1g} of the "
                f"error: {NO_RULE}"
            )
        return found

    def _attribute(self, part: torch.Tensor, normal: torch.Tensor) -> torch.Tensor:
        try:
            with torch.inference_mode(False), torch.enable_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that captum sets hooks on the copy
                found: torch.Tensor = self.method.attribute(
                    part.clone().requires_grad_(), normal.clone()
                )
        except RuntimeError as error:
            if "used more than once" not in str(error):
                raise
            raise SkipError(f"deeplift: one of the modules runs twice: {NO_RULE}") from error
        return found.detach()


class _Rescaled(torch.nn.Module):
    """A function of x and its baseline, in one batch one after the other, whose gradient is the
    loss's slope.
    """

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.model, self.share = detector.model, detector.error_share

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
        near = (d - normal).abs() < STEP
        d, normal = torch.where(near, d + STEP, d), torch.where(near, d - STEP, normal)
        rise = self.share(d, torch.zeros_like(d)) - self.share(normal, torch.zeros_like(d))
        return rise / (d - normal)


def _averaged(
    detector: Detector, x: torch.Tensor, nsamples: int, seed: int, draw: Draw
) -> torch.Tensor:
    """Return the mean of weighted gradients (N, …) over the points (N, nsamples, …) and weights
    that `draw` leads to.

    What fits in a chunk is taken at once: samples with all of their draws, or some draws of one
    sample.
    """
    samples = _samples(detector, x)
    if len(samples) == 0:
        return samples
    rows = detector.chunk_rows(samples)

    def average(part: torch.Tensor) -> torch.Tensor:
        generators = seeding.generators(part, seed)
        points = draw(part, generators)
        total = torch.zeros_like(part, dtype=torch.promote_types(part.dtype, torch.float32))

        def add(draws: torch.Tensor) -> torch.Tensor:
            with seeding.rewound(generators):
                at, weights = points(draws)
                gradients = detector.error_gradient(at.flatten(0, 1)).view_as(at)
                total.add_((gradients * weights).sum(dim=1, dtype=total.dtype))
            return draws[:0]

        in_chunks(add, torch.arange(nsamples), max(1, rows // len(part)))
        return (total / nsamples).to(part.dtype)

    return in_chunks(average, samples, max(1, rows // nsamples))


def _samples(detector: Detector, x: torch.Tensor) -> torch.Tensor:
    return x.detach().to(detector.device, detector.dtype)
