"""Shapley values by random orders: features take a sample's values one by one."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge
from numpy.typing import ArrayLike

from aexbench import Detector
from aexbench.detector import in_chunks
from aexbench.explainers import register
from aexbench.explainers.tools import baselines, seeding
from aexbench.explainers.tools.precision import at_least_float32
from aexbench.explainers.tools.segments import Segments, spread


@register("shapley-sampling", version=1)
class ShapleySampling:
    """Return Shapley values of e(x): what each feature adds when features take x's values one by
    one, in random orders.

    Features that have not come yet keep the background's mean: one baseline, where
    `shapley-permutation` and `shapley-twin` ask about the whole background, which is another
    question. The attributions are unbiased, and
    sum to e(x) − e(mean) whatever the orders. It takes nsamples · (features + 1) forward rows a
    sample. captum's `ShapleyValueSampling` has the same formula, but draws its orders from torch's
    global state, the same for all samples of a batch.

    Parameters
    ----------
    detector
        Whose error is explained. The columns of a feature group come together and take equal
        shares.
    background : (B, …)
        Normal samples, the training split.
    nsamples
        Random orders for each sample.
    segments, count
        Of images: `slic` superpixels or `patches`, about `count` of them, are the features; each
        pixel takes an equal share of its segment's value.
    seed
        Of the orders, along with each sample's content.
    loss
        The detector's own where it is left out.

    References
    ----------
    Castro, Gómez and Tejada 2009, "Polynomial calculation of the Shapley value based on sampling",
    ApproShapley; Štrumbelj and Kononenko 2010, "An Efficient Explanation of Individual
    Classifications using Game Theory".
    """

    def __init__(
        self,
        detector: Detector,
        *,
        background: ArrayLike,
        nsamples: Annotated[int, Ge(1)] = 25,
        segments: Segments = Segments(),
        seed: Annotated[int, Ge(0)] = 0,
        loss: Literal["l1", "l2"] | None = None,
    ) -> None:
        self.detector = detector.with_loss(loss)
        self.mean = baselines.baseline("mean", self.detector, background)
        self.nsamples, self.seed, self.segments = nsamples, seed, segments

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return contributions (N, …) to e(x) − e(mean)."""
        features = self.segments.about(x, self.detector.features)
        rows = self.detector.chunk_rows(x) // (self.nsamples * (features + 1))
        return in_chunks(self._values, x, max(1, rows))

    def _values(self, part: torch.Tensor) -> torch.Tensor:
        """Return the attributions of a few samples."""
        numbers = self.segments.numbers(part, self.detector.features)
        places = self._places(part, numbers)
        samples = torch.arange(len(part), device=part.device).repeat_interleave(self.nsamples)

        def walks(chosen: torch.Tensor) -> torch.Tensor:
            rows = samples[chosen]
            return self._gains(part[rows], numbers[rows], places.flatten(0, 1)[chosen])

        every = torch.arange(len(samples), device=part.device)
        gains = in_chunks(
            walks, every, max(1, self.detector.chunk_rows(part) // (places.shape[2] + 1))
        )
        return spread(gains.view(places.shape).mean(dim=1), numbers)

    def _places(self, part: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Return each feature's place (n, nsamples, P) in random orders; 0 for segments that an
        image does not have.
        """
        counts = (numbers.flatten(1).amax(dim=1) + 1).tolist()
        places = np.zeros((len(part), self.nsamples, max(counts)), dtype=np.int64)
        for row, generator, own in zip(
            places,
            seeding.generators(part, self.seed, self.detector.features),
            counts,
            strict=True,
        ):
            row[:, :own] = generator.random((self.nsamples, own)).argsort(axis=1)
        return torch.as_tensor(places, device=part.device)

    def _gains(self, x: torch.Tensor, numbers: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Return what each feature (w, P) adds to the error at its place in w orders, each of a
        sample of its own.
        """
        count = places.shape[1]
        place = places.gather(1, numbers.flatten(1)).view(numbers.shape)
        come = (
            torch.arange(count + 1, device=x.device).view(1, -1, *[1] * (x.dim() - 1))
            > place[:, None]
        )
        errors = self.detector.error(
            torch.where(come, x[:, None], self.mean(x)[:, None]).flatten(0, 1)
        )
        errors = at_least_float32(errors)  # half precision has no digits to lose
        return errors.view(-1, count + 1).diff(dim=1).gather(1, places)
