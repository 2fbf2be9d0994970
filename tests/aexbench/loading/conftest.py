"""Files of a user: a network in two files, and its weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

HELPER = """
import torch

class Net(torch.nn.Module):
    def __init__(self, width=3, columns=4):
        super().__init__()
        self.encoder = torch.nn.Linear(columns, width)
        self.decoder = torch.nn.Linear(width, columns)

    def forward(self, x):
        return self.decoder(torch.tanh(self.encoder(x)))
"""
MODEL = """
from __future__ import annotations
from dataclasses import dataclass
from helper import Net

FACTOR = 0.5

@dataclass
class Settings:
    width: int = 3

def build(width=3):
    return Net(Settings(width).width)

def pair(width=3):
    class Pair(Net):
        def forward(self, x):
            return super().forward(x), x.sum(1)
    return Pair(width)

def function(factor=FACTOR):
    return lambda x: factor * x

def everything(**options):
    return lambda x: options["by"] * x

def own(loss, output="as it is"):
    return lambda x: (loss + len(output)) * x

def reconstruct(x):
    return x

def nothing():
    return None

def fails():
    raise OSError("the disk is gone")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a network of a width of 5, its weights in both forms."""
    home = tmp_path / "mine"
    write(home)
    return home


def write(home: Path, helper: str = HELPER, model: str = MODEL) -> None:
    home.mkdir(exist_ok=True)
    (home / "helper.py").write_text(helper)
    (home / "model.py").write_text(model)


def net(width: int = 5) -> torch.nn.Module:
    """The network of the helper, as its author has it."""
    space: dict[str, type] = {}
    exec(HELPER, space)
    made: torch.nn.Module = space["Net"](width)
    return made
