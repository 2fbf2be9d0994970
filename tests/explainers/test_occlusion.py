from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from aexbench import Detector, RequestError, SkipError
from tests.explainers.cases import KINKED, explain
from tests.explainers.oblong_images import IMAGES, NORMAL_IMAGES, convolutions


def occlusion_by_hand(
    detector: Detector, image: torch.Tensor, window: int, stride: int
) -> np.ndarray:
    """Each window, down and across, until one reaches the edge; what lies beyond the edge is cut
    off.
    """
    mean = torch.as_tensor(NORMAL_IMAGES).double().mean(dim=0)
    falls, covers = np.zeros(image.shape), np.zeros(image.shape)
    _, height, width = image.shape
    for top in range(0, height - window + stride, stride):
        for left in range(0, width - window + stride, stride):
            hidden = image.clone()
            here = np.s_[:, top : top + window, left : left + window]
            hidden[here] = mean[here]
            falls[here] += float(detector.error(image[None]) - detector.error(hidden[None]))
            covers[here] += 1
    return falls / covers


@pytest.mark.parametrize(("window", "stride"), [(3, 1), (4, 2), (5, 5), (7, 3), (1, 1)])
@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_occlusion_equals_the_slow_twin(window, stride, loss):
    detector = convolutions().with_loss(loss)
    expected = np.stack([occlusion_by_hand(detector, image, window, stride) for image in IMAGES])
    found = explain("occlusion", detector, IMAGES, NORMAL_IMAGES, window=window, stride=stride)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6, atol=1e-9)


def test_occlusion_has_sizes_of_its_own_and_takes_little_memory():
    images = torch.rand(5, 1, 32, 40, dtype=torch.float64)
    normal = np.random.default_rng(0).random((4, 1, 32, 40)).astype(np.float32)
    model = nn.Conv2d(1, 1, 3, padding=1).double()
    found = explain("occlusion", Detector(model), images, normal)
    torch.testing.assert_close(
        found, explain("occlusion", Detector(model), images, normal, window=4, stride=2)
    )
    tight = Detector(model)
    tight._chunks[(1, 32, 40)] = 2
    torch.testing.assert_close(explain("occlusion", tight, images, normal), found)
    assert explain("occlusion", tight, images[:0], normal).shape == (0, 1, 32, 40)


def test_occlusion_is_for_images_and_names_wrong_sizes():
    with pytest.raises(SkipError, match="repair"):
        explain("occlusion", Detector(KINKED))
    for wrong in ({"window": 8}, {"window": 2, "stride": 3}):
        with pytest.raises(RequestError, match=f"{list(wrong)[-1]}="):
            explain("occlusion", convolutions(), IMAGES, NORMAL_IMAGES, **wrong)
