"""Copies of detectors in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aexbench import Detector, RequestError, SkipError, explainers
from aexbench.explainers.tools.precision import doubled, precise
from tests.explainers.networks import UNet

X = torch.rand(3, 4, generator=torch.Generator().manual_seed(0))
NORMAL = np.random.default_rng(0).random((9, 4)).astype(np.float32)


class Single(torch.nn.Linear):
    """Insists on float32."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.float())


class Unique(torch.nn.Linear):
    """Cannot be copied."""

    def __deepcopy__(self, memo: object) -> Unique:
        raise TypeError("there is but one")


def test_a_copy_is_the_detector_in_float64_and_leaves_it_as_it_was():
    detector, x = Detector(UNet().train(), "l1"), torch.rand(2, 1, 8, 8)
    copy = doubled(detector, (1, 8, 8))
    torch.testing.assert_close(
        copy.error(x.double()), detector.error(x).double(), rtol=1e-5, atol=0
    )
    assert copy.error(x.double()).dtype == torch.float64
    assert (detector.dtype, detector.model.training) == (torch.float32, True)
    assert all(parameter.requires_grad for parameter in detector.model.parameters())


def test_float64_stays_as_it_is():
    detector = Detector(torch.nn.Linear(4, 4).double())
    assert precise(detector, (4,)) is detector


@pytest.mark.parametrize(
    ("model", "reason"), [(Single(4, 4), "same dtype"), (Unique(4, 4), "there is but one")]
)
def test_what_has_no_copy_is_named_or_taken_as_it_is(model, reason):
    detector = Detector(model)
    with pytest.raises(SkipError, match=f"the model has no copy in float64 .*{reason}"):
        doubled(detector, (4,))
    assert precise(detector, (4,)) is detector
    with pytest.raises(SkipError, match=f"^deeplift: .*{reason}.*; use integrated-gradients$"):
        explainers.create("deeplift", detector, background=NORMAL)
    names = ("arcana[steps=3]", "counterfactual[steps=3]", "likelihood-compensation[steps=3]")
    for name in (*names, "acme-ad"):
        assert (
            explainers.create(name, detector, background=NORMAL).explain(X).dtype == torch.float32
        )


def test_samples_of_another_shape_and_full_memory_are_no_reason():
    with pytest.raises(RequestError, match="shape"):
        precise(Detector(torch.nn.Linear(4, 4)), (5,))

    class Large(Unique):
        def __deepcopy__(self, memo: object) -> Large:
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        precise(Detector(Large(4, 4)), (4,))
