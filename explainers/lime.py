"""LIME: a weighted linear model of the error around the sample, fitted by the `lime` package."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge
from numpy.typing import ArrayLike, NDArray

from aexbench import Detector
from aexbench.detector import in_chunks
from aexbench.explainers import register
from aexbench.explainers.tools.baselines import baseline, normal_rows
from aexbench.explainers.tools.confined import leaving_the_range
from aexbench.explainers.tools.seeding import content_seeds
from aexbench.explainers.tools.segments import Segments, is_image, spread
from aexbench.explainers.tools.units import Units
from aexbench.extras import optional
from aexbench.rows import sample

Floats = NDArray[np.float64]
BACKGROUND_VALUES = (
    2**25
)  # samples × columns that means, spreads and quartiles come from, at most: 256 MiB in float64
TABLE_SAMPLES, IMAGE_SAMPLES = 5000, 1000  # the package's own numbers
IMAGE_WIDTH = 0.25  # of the kernel over cosine distances, the package's own


@register("lime", version=1)
class Lime:
    """Return what each column, or each superpixel of an image, adds to the error by a local linear
    model.

    Of tables, `lime` draws samples column by column (those of a feature group too), weights them by
    their distance from x, and fits a ridge regression of the error with all columns; what is ours
    is how its weights are read, see `neighbours`. It is handed data scaled to [0, 1] by the
    Features.

    Of images, segments are switched off at random, each with probability ½, by filling them with
    the background's mean image. The regression is `lime`'s, and so is its kernel over cosine
    distances; the weight of a segment, the error with it less the error without, falls in equal
    shares on its pixels. `lime`'s own segments (quickshift), its fill (a segment's mean colour) and
    its need of RGB are left out.

    Each sample takes `nsamples` forward passes, from a random state that its content and `seed`
    make.

    Parameters
    ----------
    detector
        Whose error is explained.
    background : (B, …)
        Normal samples, the training split.
    loss
        The detector's own where it is left out.
    nsamples
        Perturbed samples; 5000 for tables and 1000 for images where it is left out, as in `lime`.
    neighbours
        Of tables, all three of them options of `lime`. `sample` draws normal values around x,
        `background` around the background's mean, both with its spreads (a column without any has
        1). The error is fitted in z = (x − mean) / spread, and the attribution is weight × z, what
        x's distance from the mean adds to it: the weight alone says where the error rises, and
        would have the wrong sign for values below the mean. `quartiles` is the package's default:
        values of quartiles of the background, and the attribution is the weight itself, of being in
        x's quartile rather than in another; how far out x lies does not matter. An anomaly lies far
        from the background: with `background` its neighbours are all about as far, and have next to
        no weight in the regression.
    seed
        Of the perturbed samples.
    segments, count
        Of images: `slic` superpixels or `patches`, about `count` of them.

    Raises
    ------
    SkipError
        If the package `lime` is not installed; where the model or the loss refuses values outside
        of the features' `low` and `high`, which its draws for tables reach.

    References
    ----------
    Ribeiro, Singh, Guestrin 2016, "Why Should I Trust You? Explaining the Predictions of Any
    Classifier".
    """

    def __init__(
        self,
        detector: Detector,
        *,
        background: ArrayLike,
        loss: Literal["l1", "l2"] | None = None,
        nsamples: Annotated[int, Ge(2)] | None = None,
        neighbours: Literal["sample", "background", "quartiles"] = "sample",
        seed: Annotated[int, Ge(0)] = 0,
        segments: Segments = Segments(),
    ) -> None:
        self.detector, self.seed, self.nsamples = detector.with_loss(loss), seed, nsamples
        self.segments, self.neighbours = segments, neighbours
        self.random = np.random.RandomState()  # seeded before each sample
        rows = normal_rows(detector, background)
        shape = tuple(rows.shape[1:])
        if len(shape) == 3:
            self.fill = baseline("mean", detector, background)
            self.base = optional("lime.lime_base").LimeBase(_image_kernel, random_state=self.random)
        else:
            self.units = Units.of(detector.features, shape)
            normal = sample(rows, max(1, BACKGROUND_VALUES // math.prod(shape)))
            scaled = (normal.astype(np.float64) - self.units.low) / self.units.span
            self.table = optional("lime.lime_tabular").LimeTabularExplainer(
                scaled.reshape(len(scaled), -1),
                mode="regression",
                discretize_continuous=neighbours == "quartiles",
                sample_around_instance=neighbours == "sample",
                feature_selection="none",
                random_state=self.random,
            )

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return the contributions (N, …); below 0 where a value makes the error smaller."""
        explain = self._image if is_image(x) else self._row
        with leaving_the_range("lime", self.detector, x):
            found = torch.cat([explain(sample) for sample in x.split(1)])
        return found.to(torch.promote_types(x.dtype, torch.float32))

    def _row(self, x: torch.Tensor) -> torch.Tensor:
        """Return the attributions (1, …) of one row."""
        self._reseed(x)
        row = self.units.scaled(x.double().cpu()).flatten().numpy()
        told = self.table.explain_instance(
            row,
            lambda rows: self._errors(rows.reshape(-1, *x.shape[1:])),
            num_features=len(row),
            num_samples=self.nsamples or TABLE_SAMPLES,
        )
        weights = np.zeros(len(row))
        for column, weight in told.local_exp[1]:
            weights[column] = weight
        scaler = self.table.scaler
        scores = (
            weights
            if self.neighbours == "quartiles"
            else weights * (row - scaler.mean_) / scaler.scale_
        )
        return torch.as_tensor(scores).view(x.shape)

    def _image(self, x: torch.Tensor) -> torch.Tensor:
        """Return the attributions (1, C, H, W) of one image."""
        self._reseed(x)
        numbers = self.segments.numbers(x, self.detector.features)
        count, fill = int(numbers.max()) + 1, self.fill(x)
        kept = self.random.randint(0, 2, (self.nsamples or IMAGE_SAMPLES, count))
        kept[0] = 1  # the first is the image itself

        def masked_errors(rows: torch.Tensor) -> torch.Tensor:
            masks = rows.to(x.device)[:, numbers[0]].bool()
            return self.detector.error(torch.where(masks, x, fill))

        every = torch.as_tensor(kept)
        errors = in_chunks(masked_errors, every, self.detector.chunk_rows(x)).double().cpu().numpy()
        distances = 1 - np.sqrt(
            kept.mean(axis=1)
        )  # the cosine distance of zeros and ones from all ones
        _, told, _, _ = self.base.explain_instance_with_data(
            kept, errors[:, None], distances, 0, count, "none"
        )
        weights = torch.zeros(1, count, dtype=torch.float64)
        for segment, weight in told:
            weights[0, segment] = weight
        return spread(weights, numbers.cpu())

    def _errors(self, rows: Floats) -> Floats:
        """Return the errors of rows in units of the ranges."""
        samples = torch.as_tensor(self.units.low + self.units.span * rows)
        return self.detector.error(samples).double().cpu().numpy()

    def _reseed(self, x: torch.Tensor) -> None:
        """Seed by the sample's content, so that the batch that it comes in does not matter."""
        (entropy,) = content_seeds(x, self.seed, self.detector.features)
        self.random.seed(np.random.SeedSequence(entropy).generate_state(4))


def _image_kernel(distances: Floats) -> Floats:
    """Return `lime`'s own kernel √exp(−d²/w²)."""
    return np.asarray(np.exp(-(distances**2) / (2 * IMAGE_WIDTH**2)))
