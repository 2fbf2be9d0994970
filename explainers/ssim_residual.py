"""SSIM residual: where an image and its reconstruction differ in structure, rather than pixel by
pixel.
"""

from __future__ import annotations

import torch

from aexbench import Detector, SkipError
from aexbench.detector import in_chunks
from aexbench.explainers import register
from aexbench.explainers.tools.precision import at_least_float32
from aexbench.explainers.tools.segments import is_image
from aexbench.explainers.tools.smoothing import blur
from aexbench.explainers.tools.units import Units

K1, K2 = 0.01, 0.03
SIGMA, RADIUS = 1.5, 5  # a window of 11 × 11 pixels


@register("ssim-residual", version=1, images=True, own_error=True)
def ssim_residual(detector: Detector, x: torch.Tensor) -> torch.Tensor:
    """Return (1 − SSIM(x, x̂))/2 in [0, 1], pixel by pixel and each channel by itself; images only.

    The window is Gaussian, 11 × 11 pixels with a spread of 1.5; K₁ = 0.01, K₂ = 0.03, and the data
    range is that from the least to the greatest regular value of the detector's features, which
    grey values are counted from (Wang et al. count them from 0, as in [0, 1]). Images
    are mirrored at their edges, where Wang et al. leave out windows that do not fit: every pixel
    has its value. The detector's loss plays no part.

    Raises
    ------
    SkipError
        If the samples are no images.

    References
    ----------
    Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity",
    Eq. 13 to 16. For autoencoders: Bergmann et al. 2019, "Improving Unsupervised Defect
    Segmentation by Applying Structural Similarity to Autoencoders", Eq. 8.
    """
    if not is_image(x):
        raise SkipError(
            "ssim-residual compares images (N, C, H, W), and these samples are none: use residual"
        )
    exact = at_least_float32(x)
    both = torch.stack([exact, detector.reconstruct(x).to(exact)], dim=1)
    low, span = Units.of(detector.features, tuple(x.shape[1:])).tensors(both)

    def dissimilarity(pair: torch.Tensor) -> torch.Tensor:
        return (1 - similarity(pair[:, 0] - low, pair[:, 1] - low, span)) / 2

    return in_chunks(dissimilarity, both, detector.chunk_rows(x))


def similarity(x: torch.Tensor, y: torch.Tensor, span: torch.Tensor) -> torch.Tensor:
    """Return the structural similarity (N, C, H, W) in [−1, 1] of images whose regular values span
    `span`.
    """
    shift = x.mean(dim=(2, 3), keepdim=True)  # far from zero, squares would swallow the variance
    x, y = x - shift, y - shift
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = (
        blur(part, SIGMA, RADIUS) for part in (x, y, x * x, y * y, x * y)
    )
    var_x, var_y = (mean_xx - mean_x**2).clamp_min(0), (mean_yy - mean_y**2).clamp_min(0)
    cov_xy = mean_xy - mean_x * mean_y
    mean_x, mean_y = mean_x + shift, mean_y + shift
    C1, C2 = (K1 * span) ** 2, (K2 * span) ** 2
    luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    return luminance * (2 * cov_xy + C2) / (var_x + var_y + C2)
