"""AcME-AD: what happens to the alarm when one feature takes each of its normal values in turn?"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import numpy as np
import torch
from annotated_types import Ge, Le
from numpy.typing import ArrayLike

from aexbench import Detector, SkipError
from aexbench.detector import in_chunks
from aexbench.explainers import register
from aexbench.explainers.tools.baselines import normal_rows
from aexbench.explainers.tools.precision import precise
from aexbench.explainers.tools.segments import Segments, is_image, spread
from aexbench.rows import most, sample

NORMAL_SAMPLES = 10_000  # of the background, at most, drawn with a fixed seed
DELTA, CHANGE, DISTANCE, RATIO = 0.3, 0.3, 0.2, 0.2  # the weights of the sub-scores


class _Scores(NamedTuple):
    """A sample's score, and its scores with one feature at a normal value."""

    own: torch.Tensor  # (N, 1, 1)
    replaced: torch.Tensor  # (N, K, P)
    away: torch.Tensor  # (N, K, P), by how many quantile levels each value is away from x's own


@register("acme-ad", version=1)
class AcmeAd:
    """Return a weighted sum of four sub-scores of each feature: .3 D + .3 C + .2 Q + .2 R.

    Feature j of x takes the values z_1 … z_K in turn, quantiles of the background at the levels
    q_k = (k − 1) / (K − 1), while all others stay. With m the anomaly score, of x and of those:

    - delta D = max m − min m, the range of scores that the feature can bring about;
    - ratio R = (m(x) − min m) / D, where in that range x stands: 1 at the top, 0 where D is 0;
    - change C = 1 if any of the values leads to the other class, else 0;
    - distance to change Q = 1 − min |q_k − q(x_j)| over the values that do, else 0.

    D does not ask in which direction: a feature whose value is right can have a large one, where
    other values would break it. And of a sample that raises no alarm C and Q say what would raise
    one, not what is odd about it.

    The paper wants scores in [0, 1] and a threshold t, and its program puts it at ½; it leaves open
    how. Here the score is m = e / (e + t), which is ½ at t and never saturates (the detector's own
    score is 1 for most anomalies, whatever is done to a feature), and t the `alarm` quantile of the
    background's errors. That is not the threshold of the detector's own scale, which it may not
    have, which belongs to its own loss alone, and of which an untrained twin knows nothing.

    Scores are taken by a float64 copy of the model where it has one: rounding would decide about
    classes. Each sample takes `quantiles` × features + 1 forward passes.

    Parameters
    ----------
    detector
        Whose error is explained. The columns of a feature group are replaced together, each by its
        own quantile, and take equal shares; their levels' distances are averaged.
    background : (B, …)
        Normal samples, the training split; of more than 10,000 a seeded sample, fewer where samples
        × columns pass 2²⁵. Quantiles are values that occur in it. The level of a value is the share
        of samples below it and half of those equal to it.
    loss
        The detector's own where it is left out.
    quantiles
        The paper's K, by default that of the authors' program (which lets the sample itself stand
        for one of them).
    alarm
        Of the background's errors, the quantile above which a sample is anomalous.

    Raises
    ------
    SkipError
        For images: the method is one for tables.

    References
    ----------
    Zaccaria, Dandolo, Masiero and Susto 2024, "AcME-AD: Accelerated Model Explanations for Anomaly
    Detection", arXiv:2403.01245: the importance I_j = w_D D_j + w_C C_j + w_Q Q_j + w_R R_j of
    local explanations; sub-scores, weights and K as in the authors' program, dandolodavid/ACME
    (`computeAnomalyDetectionImportance`).
    """

    def __init__(
        self,
        detector: Detector,
        *,
        background: ArrayLike,
        loss: Literal["l1", "l2"] | None = None,
        quantiles: Annotated[int, Ge(2)] = 50,
        alarm: Annotated[float, Ge(0), Le(1)] = 0.95,
    ) -> None:
        rows = normal_rows(detector, background)
        with torch.inference_mode(False):  # what it makes cannot meet others' tensors
            self.detector = precise(detector.with_loss(loss), tuple(rows.shape[1:]))
        normal = sample(rows, most(rows, NORMAL_SAMPLES)).astype(np.float64)
        self.threshold = float(self.detector.error(normal).double().quantile(alarm))
        self.levels = torch.linspace(0, 1, quantiles, dtype=torch.float64)
        values = np.quantile(normal, self.levels.numpy(), axis=0, method="inverted_cdf")
        self.values = torch.as_tensor(values).to(self.detector.dtype)
        flat = torch.as_tensor(normal.reshape(len(normal), -1)).to(self.detector.dtype)
        self.ordered = flat.T.contiguous().sort(dim=1).values

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return the importance (N, …) of each feature, in [0, 1] before it is shared out."""
        if is_image(x):
            raise SkipError("acme-ad is for tables, not for images: use repair[values=search]")
        samples = x.to(self.detector.dtype)
        features = self.detector.features.count(tuple(x.shape[1:]))
        rows = self.detector.chunk_rows(samples) // (len(self.levels) * features)
        found = in_chunks(self._importance, samples, max(1, rows))
        return found.to(torch.promote_types(x.dtype, torch.float32))

    def _importance(self, x: torch.Tensor) -> torch.Tensor:
        numbers = Segments().numbers(x, self.detector.features)
        return spread(weighted(self._scores(x, numbers[0])), numbers)

    def _scores(self, x: torch.Tensor, number: torch.Tensor) -> _Scores:
        """Return the scores of samples whose columns belong to features by their `number` (…)."""
        count, values = int(number.max()) + 1, self.values.to(x)

        def errors(pairs: torch.Tensor) -> torch.Tensor:
            belongs = number == (pairs % count).view(-1, *[1] * number.dim())
            rows = torch.where(belongs[:, None], values[pairs // count][:, None], x)
            return self.detector.error(rows.flatten(0, 1)).view(len(pairs), len(x))

        pairs = torch.arange(len(values) * count, device=x.device)
        found = in_chunks(errors, pairs, max(1, self.detector.chunk_rows(x) // len(x)))
        replaced = found.T.reshape(len(x), len(values), count)
        own = self.detector.error(x).view(-1, 1, 1)
        return _Scores(self._score(own), self._score(replaced), self._away(x, number.flatten()))

    def _score(self, error: torch.Tensor) -> torch.Tensor:
        """Return e / (e + t): ½ at the threshold."""
        least = torch.finfo(error.dtype).tiny  # without any error there is no anomaly
        return torch.div(error, (error + self.threshold).clamp_min(least))

    def _away(self, x: torch.Tensor, number: torch.Tensor) -> torch.Tensor:
        """Return |q_k − q(x)| (N, K, P), averaged over the columns of a feature."""
        ordered, columns = self.ordered.to(x), x.flatten(1).T.contiguous()
        below, upto = (torch.searchsorted(ordered, columns, right=right) for right in (False, True))
        own = ((below + upto).double() / (2 * ordered.shape[1])).T  # (N, M)
        apart = (self.levels.to(x.device)[:, None] - own[:, None]).abs()
        belongs = torch.nn.functional.one_hot(number).double()
        return apart @ (belongs / belongs.sum(0))


def weighted(scores: _Scores) -> torch.Tensor:
    """Return the weighted sum of the sub-scores (N, P)."""
    own = scores.own[:, 0]
    least = torch.minimum(scores.replaced.amin(1), own)
    delta = torch.maximum(scores.replaced.amax(1), own) - least
    guard = torch.finfo(delta.dtype).eps ** 0.5  # the program's 1e-8: of nothing there is no share
    ratio = (own - least) / (delta + guard)
    other = (scores.replaced > 0.5) != (scores.own > 0.5)
    near = 1 - scores.away.masked_fill(~other, 1.0).amin(1)
    change = other.any(1).to(delta)
    found: torch.Tensor = DELTA * delta + CHANGE * change + DISTANCE * near + RATIO * ratio
    return found
