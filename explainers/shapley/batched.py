"""KernelSHAP for many samples at once: shared coalitions, one factorisation, rows in chunks that
fit the cache.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from annotated_types import Ge
from numpy.typing import ArrayLike

from aexbench import Detector, RequestError
from aexbench.explainers import register
from aexbench.explainers.shapley.coalitions import Middle
from aexbench.explainers.shapley.regression import Regression
from aexbench.explainers.shapley.values import Worth
from aexbench.explainers.tools.baselines import representatives
from aexbench.explainers.tools.segments import Players, Segments, spread


@register("kernelshap-batched", version=2)
class KernelShapBatched:
    """KernelSHAP of the reconstruction error: how much of e(x) − E e(background) is each feature's
    doing.

    The estimator is that of the `shap` package with `l1_reg=False`, and so are the coalitions for a
    seed with `middle=shap`. Where these are too few to determine the regression (41 for 17
    features), this is its solution of least norm; `shap`'s may be anything there. It costs
    `nsamples` × `rows` forward rows a sample. Features whose value is that of the whole background
    take no part. Samples whose other features agree share coalitions and the factorised regression.
    Memory: one chunk of the detector's activations and of its input rows, and at most 64 MiB of
    values.

    Parameters
    ----------
    detector
        What is explained.
    background
        Normal samples (B, …), the training split; a seeded sample of it stands for features that
        are left out.
    nsamples
        Coalitions per sample; all of them where there are no more.
    rows
        Of the background; 755 for tables (the paper's number) and 5 for images where it is left
        out.
    value
        What a coalition is worth: `error`, e of the masked sample with itself as the target, as in
        the paper; `fixed-target`, the error of its reconstruction against the sample x.
    output
        Explain this column's reconstruction x̂_j in place of the error; columns are counted from 0.
    middle
        How coalitions of half of the features are drawn, where their number is even: `paired`, each
        with its complement, as those of all other sizes, or as by `shap`, without. The latter errs
        two to eight times as much at the same cost.
    segments, count
        Of images: see `aexbench.explainers.tools.segments`.
    seed
        Of the coalitions and of the background's rows.
    loss
        The detector's own where it is left out.

    Raises
    ------
    RequestError
        If there is no column `output`.

    References
    ----------
    Lundberg & Lee, "A unified approach to interpreting model predictions", 2017, Theorem 2;
    settings: "Unlocking Layer-wise Relevance Propagation for Autoencoders", Sec. 4.1.

    Examples
    --------
    >>> import torch, aexbench
    >>> from aexbench import explainers
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.ReLU(), torch.nn.Linear(2, 4))
    >>> detector, normal, x = aexbench.Detector(model), torch.rand(50, 4), torch.rand(3, 4)
    >>> explainer = explainers.create("kernelshap-batched", detector, background=normal.numpy())
    >>> shap = explainer.explain(x)
    >>> gain = detector.error(x) - detector.error(normal).mean()
    >>> bool(torch.allclose(shap.sum(1), gain, atol=1e-5))
    True
    """

    def __init__(
        self,
        detector: Detector,
        *,
        background: ArrayLike,
        nsamples: Annotated[int, Ge(1)] = 1000,
        rows: Annotated[int, Ge(1)] | None = None,
        value: Literal["error", "fixed-target"] = "error",
        output: Annotated[int, Ge(0)] | None = None,
        middle: Middle = "paired",
        segments: Segments = Players(),
        seed: Annotated[int, Ge(0)] = 0,
        loss: Literal["l1", "l2"] | None = None,
    ) -> None:
        normal = representatives(detector, background, rows, seed)
        if output is not None and output >= normal[0].numel():
            raise RequestError(
                f"kernelshap-batched: output={output} of {normal[0].numel()} columns, counted "
                "from 0"
            )
        kind = value if output is None else "reconstruction"
        self.regression = Regression(
            Worth(detector.with_loss(loss), normal, kind, output), nsamples, seed, middle
        )
        self.features, self.segments = detector.features, segments

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return Shapley values (N, …); their sum is e(x) less the mean error of the background."""
        numbers = self.segments.numbers(x, self.features)
        values = self.regression.solve(x, numbers, lambda values, _: values[..., 0])
        return spread(values, numbers).to(x.dtype)
