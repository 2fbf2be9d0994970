"""What holds for all floors of images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from aexbench import Detector, SkipError, explainers
from aexbench.running.planning import from_values, plan


@pytest.mark.parametrize("name", ["centre", "blurred-deviation", "edges"])
def test_tables_are_none_of_their_business(name):
    with pytest.raises(SkipError, match="floor for images"):
        explainers.create(name, Detector(nn.Identity()), background=np.zeros((5, 4))).explain(
            torch.zeros(2, 4)
        )


def test_boards_of_images_have_them_and_boards_of_tables_do_not():
    values = {
        "name": "x",
        "datasets": ["wine", "defects"],
        "corruptions": ["labels"],
        "explainers": ["residual"],
    }
    cells = plan(from_values(values, "x"))
    by_data = {
        name: {c.explainer.name for c in cells if c.dataset.name == name}
        for name in ("wine", "defects")
    }
    of_images = {"centre", "blurred-deviation", "edges", "shuffled-truth"}
    assert by_data["defects"] - by_data["wine"] == of_images
    of_all = {"deviation", "random", "pca-residual", "feature-prior", "oracle"}
    assert of_all <= by_data["wine"] & by_data["defects"]
