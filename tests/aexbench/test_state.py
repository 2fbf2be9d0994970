"""Torch's modes around a run, and its random state."""

from __future__ import annotations

import pytest
import torch

from aexbench.state import as_usual, seeded


@pytest.mark.parametrize("before", [True, False])
def test_convolutions_are_exact_inside_and_as_they_were_after(before, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", before)
    with as_usual():
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before


def test_a_seed_counts_inside_and_leaves_nothing():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    with seeded(7, torch.device("cpu")):
        assert torch.equal(torch.rand(3), expected)
    assert torch.equal(torch.get_rng_state(), before)
