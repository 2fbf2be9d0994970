"""Occlusion of images by captum: how much the error falls where a window hides them."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from annotated_types import Ge
from numpy.typing import ArrayLike

from aexbench import Detector, RequestError, SkipError
from aexbench.detector import in_chunks
from aexbench.explainers import register
from aexbench.explainers.tools import baselines
from aexbench.explainers.tools.segments import is_image
from aexbench.extras import optional


@register("occlusion", version=1, images=True)
class Occlusion:
    """Return by how much the error falls where a window of an image shows the mean of the
    background.

    A window that covers all channels slides over the image; each pixel takes the mean over the
    windows that cover it.

    Parameters
    ----------
    detector
        Whose error is explained.
    background : (B, C, H, W)
        Normal images, the training split.
    window
        The window's height and width in pixels; an eighth of the image's shorter side where it is
        left out.
    stride
        Pixels from one window to the next, at most `window`; half of it where it is left out.
    loss
        The detector's own where it is left out.

    Raises
    ------
    SkipError
        If samples are no images (N, C, H, W): `repair` does the same for each column of a table.
    RequestError
        If the window is larger than the image, or the stride than the window.

    References
    ----------
    Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", Sec. 4.2.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        background: ArrayLike,
        window: Annotated[int, Ge(1)] | None = None,
        stride: Annotated[int, Ge(1)] | None = None,
        loss: Literal["l1", "l2"] | None = None,
    ) -> None:
        self.detector = detector.with_loss(loss)
        self.mean = baselines.baseline("mean", self.detector, background)
        self.window, self.stride = window, stride
        self.method = optional("captum.attr").Occlusion(self.detector.error)

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return by how much the error falls (N, C, H, W); below 0 where it rises."""
        if not is_image(x):
            raise SkipError(
                "occlusion: its window slides over images; repair does the same for columns of a "
                "table"
            )
        window, stride = self._sizes(min(x.shape[2:]))
        rows, channels = self.detector.chunk_rows(x), x.shape[1]

        def occlude(part: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.method.attribute(
                part,
                sliding_window_shapes=(channels, window, window),
                strides=(channels, stride, stride),
                baselines=self.mean(part[:1]),
                perturbations_per_eval=max(1, rows // len(part)),
            )
            return found

        return in_chunks(occlude, x, rows)

    def _sizes(self, side: int) -> tuple[int, int]:
        window = max(1, side // 8) if self.window is None else self.window
        stride = max(1, window // 2) if self.stride is None else self.stride
        if window > side:
            raise RequestError(
                f"occlusion: window={window} is larger than the image, whose shorter side has "
                f"{side}"
            )
        if stride > window:
            raise RequestError(
                f"occlusion: stride={stride} leaves gaps between windows of {window} pixels"
            )
        return window, stride
