"""Repair: how much does the error fall when one feature alone is set to a normal value?"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge
from numpy.typing import ArrayLike

from aexbench import Detector
from aexbench.detector import in_chunks
from aexbench.explainers import register
from aexbench.explainers.tools.baselines import Baseline, baseline, normal_rows
from aexbench.explainers.tools.conditional import conditional
from aexbench.explainers.tools.confined import leaving_the_range
from aexbench.explainers.tools.precision import at_least_float32
from aexbench.explainers.tools.segments import Segments, spread
from aexbench.rows import Rows, most, sample

QUANTILE_SAMPLES = 10_000  # of the background, at most


@register("repair", version=1)
class Repair:
    """Return e(x) − e(x with feature i set to a normal value), each feature by itself.

    A single corrupted feature is the case that favours this method: to repair the one that is
    broken takes the whole anomaly away. Where several are broken together, repairing one of them
    may change little.

    It takes one forward pass for each feature or segment of a sample, `quantiles` times as many
    with `search`.

    Parameters
    ----------
    detector
        Whose error is explained. The columns of a feature group are replaced together and take
        equal shares.
    background : (B, …)
        Normal samples, the training split.
    loss
        The detector's own where it is left out.
    values
        What is normal: the `mean` of the background, the `reconstruction` x̂, the `nearest` sample
        of the background, what the other features suggest (`conditional`, of tables alone), or by
        `search` that quantile of the background which leaves the least error, for each feature
        anew. Quantiles are those of each column, also within a group or a segment. `conditional`
        is a ridge regression of each feature on the others, see
        `aexbench.explainers.tools.conditional`: it may lie outside of the features' range, and
        where one of the others is broken it is told by that one too.
    quantiles
        How many `search` tries, those at (k − ½)/quantiles: for 5 at 10, 30, 50, 70 and 90 %. They
        are values that occur in 10,000 samples of the background, drawn with a fixed seed; in fewer
        where samples × columns pass 2²⁵.
    segments, count
        Of images: `slic` superpixels or `patches`, about `count` of them, are replaced as a whole,
        and each pixel takes an equal share of what its segment is given.

    Raises
    ------
    SkipError
        With `conditional` for images, and where the model or the loss refuses values outside of
        the features' `low` and `high`.

    References
    ----------
    Leaving out one feature at a time: Robnik-Šikonja and Kononenko 2008, "Explaining
    Classifications For Individual Instances" (the difference of predictions); of images: Zeiler and
    Fergus 2014, "Visualizing and Understanding Convolutional Networks" (occlusion). Here of e(x,
    x̂), with each repaired sample as its own target. Values by the others' regression: Strobl et
    al. 2008, "Conditional variable importance for random forests", for the idea; Aas, Jullum and
    Løland 2021, "Explaining individual predictions when features are dependent", Sec. 3.1 (a
    Gaussian's conditional mean).
    """

    def __init__(
        self,
        detector: Detector,
        *,
        background: ArrayLike,
        loss: Literal["l1", "l2"] | None = None,
        values: Literal["mean", "reconstruction", "nearest", "conditional", "search"] = "mean",
        quantiles: Annotated[int, Ge(2)] = 5,
        segments: Segments = Segments(),
    ) -> None:
        self.detector, self.segments = detector.with_loss(loss), segments
        self.title = f"repair[values={values}]"
        self.normal: list[Baseline]
        if values == "search":
            rows = normal_rows(detector, background)
            self.normal = [_constant(one) for one in _quantiles(rows, quantiles)]
        elif values == "conditional":
            self.normal = [conditional(self.detector, background)]
        else:
            self.normal = [baseline(values, self.detector, background)]

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return by how much the error falls (N, …); below 0 where it rises."""
        error = at_least_float32(self.detector.error(x))
        normals = [normal(x) for normal in self.normal]

        def falls(rows: torch.Tensor) -> torch.Tensor:
            part = x[rows]
            numbers = self.segments.numbers(part, self.detector.features)
            least = torch.stack(
                [self._repaired(part, normal[rows], numbers) for normal in normals]
            ).amin(dim=0)
            return spread(error[rows, None] - least, numbers)

        rows = self.detector.chunk_rows(x) // self.segments.about(x, self.detector.features)
        with leaving_the_range(self.title, self.detector, x):
            return in_chunks(falls, torch.arange(len(x), device=x.device), max(1, rows))

    def _repaired(
        self, x: torch.Tensor, normal: torch.Tensor, numbers: torch.Tensor
    ) -> torch.Tensor:
        """Return the errors (N, P) of samples that are normal in one of their segments,
        `chunk_rows` at a time.
        """

        def errors(chosen: torch.Tensor) -> torch.Tensor:
            belongs = numbers[None] == chosen.view(-1, *[1] * x.dim())
            return self.detector.error(torch.where(belongs, normal, x).flatten(0, 1)).view(
                len(chosen), len(x)
            )

        every = torch.arange(int(numbers.max()) + 1, device=x.device)
        return at_least_float32(
            in_chunks(errors, every, max(1, self.detector.chunk_rows(x) // len(x)))
        ).T


def _quantiles(background: Rows, count: int) -> torch.Tensor:
    """Return `count` quantiles (count, …) of each column."""
    rows = sample(background, most(background, QUANTILE_SAMPLES))
    levels = (np.arange(count) + 0.5) / count
    return torch.as_tensor(np.quantile(rows, levels, axis=0, method="inverted_cdf"))


def _constant(values: torch.Tensor) -> Baseline:
    return lambda x: values.to(x).expand_as(x)
