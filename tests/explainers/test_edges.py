"""Sobel's gradient magnitude as a floor."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import nn

from aexbench import Detector, Features, explainers


class Times(nn.Module):
    """Returns its samples, multiplied, in float64."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("factor", torch.tensor(factor, dtype=torch.float64))

    def forward(self, x):
        return self.factor * x


IMAGES = np.random.default_rng(0).random((3, 2, 9, 14))


def explain(images: np.ndarray, **described: object) -> np.ndarray:
    detector = Detector(Times(), features=Features(**described))
    return explainers.create("edges", detector).explain(torch.as_tensor(images)).numpy()


def test_edges_are_the_length_of_scipys_slopes():
    expected = [
        [np.hypot(ndimage.sobel(plane, 0), ndimage.sobel(plane, 1)) for plane in image]
        for image in IMAGES
    ]
    np.testing.assert_allclose(explain(IMAGES), expected, rtol=1e-12, atol=1e-12)


def test_a_pixel_is_sobels_definition():
    window = IMAGES[1, 0, 3:6, 7:10]
    down = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]])
    expected = np.hypot((window * down).sum(), (window * down.T).sum())
    np.testing.assert_allclose(explain(IMAGES)[1, 0, 4, 8], expected)


def test_the_frame_of_an_image_is_no_edge():
    assert (explain(np.full((1, 1, 5, 6), 0.7)) == 0).all()


def test_an_image_and_its_negative_have_the_same_edges():
    np.testing.assert_allclose(explain(1 - IMAGES), explain(IMAGES), atol=1e-12)


def test_a_mirrored_image_has_mirrored_edges():
    np.testing.assert_allclose(explain(IMAGES[..., ::-1].copy()), explain(IMAGES)[..., ::-1])


def test_channels_of_other_units_count_in_their_ranges():
    factor = np.array([1.0, 1000.0])[:, None, None]
    high = tuple(np.broadcast_to(factor, IMAGES.shape[1:]).ravel().tolist())
    np.testing.assert_allclose(explain(IMAGES * factor, high=high), explain(IMAGES))
