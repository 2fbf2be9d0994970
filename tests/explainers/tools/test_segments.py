from __future__ import annotations

import numpy as np
import pytest
import torch

from aexbench import Features, RequestError, SkipError, explainers
from aexbench.explainers.tools.segments import Segments, spread
from aexbench.extras import optional

IMAGES = torch.rand(3, 2, 20, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_columns_are_segments_of_their_own_and_those_of_a_feature_are_one():
    x = torch.rand(2, 4)
    assert Segments().numbers(x, Features()).tolist() == [[0, 1, 2, 3]] * 2
    assert Segments().numbers(x, Features(groups=(0, 1, 1, 0))).tolist() == [[0, 1, 1, 0]] * 2


def test_patches_are_nearly_square_and_cover_an_image():
    numbers = Segments("patches", 24).numbers(IMAGES, Features())
    assert numbers.shape == IMAGES.shape
    assert torch.equal(numbers[:, 0], numbers[:, 1])
    found, sizes = numbers[0, 0].unique(return_counts=True)
    assert found.tolist() == list(range(24))
    assert set(sizes.tolist()) == {25}


def test_superpixels_follow_edges_and_depend_on_the_image_alone():
    x = torch.zeros(2, 1, 32, 32)
    x[:, :, :, 13:] = 1.0
    x[1] = x[1].flip(-1)
    divided = Segments(count=16)
    numbers = divided.numbers(x, Features())
    assert torch.equal(numbers[1:], divided.numbers(x[1:], Features()))
    for image, grey in zip(numbers[:, 0], x[:, 0], strict=True):
        assert 8 <= len(image.unique()) <= 32
        assert not set(image[grey == 0].tolist()) & set(image[grey == 1].tolist())


@pytest.mark.parametrize("count", [4, 16, 50])
def test_noise_and_flat_images_do_not_fall_into_one_segment(count):
    x = torch.cat(
        [
            torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0)),
            torch.full((1, 1, 28, 28), 0.5),
        ]
    )
    for numbers in Segments(count=count).numbers(x, Features()):
        assert count / 3 <= len(numbers.unique()) <= 2 * count


def test_columns_share_what_their_segment_is_given():
    numbers = Segments("patches", 6).numbers(IMAGES, Features())
    values = torch.arange(18.0, dtype=torch.float64).view(3, 6)
    columns = spread(values, numbers)
    for n in range(3):
        for p in range(6):
            inside = columns[n][numbers[n] == p]
            assert float(inside.sum()) == pytest.approx(float(values[n, p]))
            assert np.ptp(inside.numpy()) == 0


def test_a_missing_package_is_a_reason_to_skip():
    with pytest.raises(
        SkipError, match=r"needs the package no_such_package: pip install 'aexbench\[explainers\]'"
    ):
        optional("no_such_package.part")


@pytest.mark.parametrize("name", ["kernelshap", "kernelshap-batched"])
def test_coalitions_take_two_segments_at_least(name):
    with pytest.raises(RequestError, match=r"count=1 is wrong: .* greater than or equal to 2"):
        explainers.describe(name).validate({"count": 1})
    assert explainers.describe("repair").validate({"count": 1})["count"] == 1
