"""LRP of recurrent and attention networks against one forward pass plus the gradient of the error:
windows of 100 steps of 38 channels, ratios in one run of one thread, by the processor's seconds.
"""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn

from aexbench import Detector, explainers
from tests.benchmarks.test_lrp import gradient, one_thread  # noqa: F401
from tests.benchmarks.turns import ratio

STEPS, CHANNELS, UNITS = 100, 38, 64
READ = 15  # seconds that reading a model may take


class Recurrent(nn.Module):
    """An encoder, and a decoder that reads its last output at every step."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.encoder = kind(CHANNELS, UNITS, batch_first=True)
        self.decoder = kind(UNITS, UNITS, batch_first=True)
        self.out = nn.Linear(UNITS, CHANNELS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs, _ = self.encoder(x)
        decoded, _ = self.decoder(outputs[:, -1:].expand(-1, x.shape[1], -1))
        return self.out(decoded)


class Transformer(nn.Module):
    """Two layers of four heads."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(UNITS, 4, 2 * UNITS, dropout=0.0, batch_first=True)
        self.embed = nn.Linear(CHANNELS, UNITS)
        self.places = nn.Parameter(0.1 * torch.randn(1, STEPS, UNITS))
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.out = nn.Linear(UNITS, CHANNELS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.layers(self.embed(x) + self.places))


def lstm() -> nn.Module:
    return Recurrent(nn.LSTM)


def gru() -> nn.Module:
    return Recurrent(nn.GRU)


# Measured beside other work: LSTM 3.4, 1.6, 1.4; GRU .5, .7, 1.5;
# transformer 2.3, 2.6, 2.4. An LSTM of one window runs in one call of oneDNN, and LRP's way back
# takes eight calls a step. A noisy machine gets a margin.
@pytest.mark.parametrize(
    ("kind", "batch", "rounds", "most"),
    [
        (lstm, 1, 30, 5.0), (lstm, 16, 10, 2.5), (lstm, 100, 3, 2.5),
        (gru, 1, 30, 2.5), (gru, 16, 10, 2.5), (gru, 100, 3, 2.5),
        (Transformer, 1, 30, 3.0), (Transformer, 16, 10, 3.0), (Transformer, 100, 3, 3.0),
    ],
)  # fmt: skip
def test_cost_in_forward_and_backward_passes(kind, batch, rounds, most):
    torch.manual_seed(0)
    model = kind().eval()
    explainer = explainers.create("lrp", Detector(model)).explainer
    x = torch.rand(batch, STEPS, CHANNELS)
    start = time.process_time()
    explainer.explain(x)
    first = time.process_time() - start
    calls = (lambda: explainer.explain(x)), (lambda: gradient(model, x))
    found = ratio(*calls, rounds, time.process_time)
    name = kind.__name__.lower()
    print(f"\n{name} at batch {batch}: {found:.2f} of forward and gradient; read in {first:.1f} s")
    assert found <= most
    assert first < READ
