"""A network that dies is noticed within its first steps, and its next start is another."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aexbench import Dataset, Features
from aexbench.autoencoders import fitting, starting, training
from aexbench.contracts import Untrained
from aexbench.declarations import Training

DARK = (np.random.default_rng(0).random((96, 1, 128, 128)) * 0.1 + 0.15).astype(np.float32)


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (torch.nn.ReLU(), 0.2),
        (torch.nn.Sigmoid(), 0.2),
        (torch.nn.Tanh(), 0.2),
        (torch.nn.Identity(), 0.2),
    ],
)
def test_the_output_starts_at_the_training_mean_whatever_comes_in(last, expected):
    torch.manual_seed(0)
    mean = np.array([0.2, 0.5, 0.9])
    model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3), last)
    assert starting.soften(model, mean)
    found = model(torch.rand(50, 3)).mean(0).detach().numpy()
    np.testing.assert_allclose(found, mean, atol=0.05)


def test_table_2s_network_starts_at_the_mean_grey_and_lives_through_its_first_steps():
    model = training.build(training.recipe("conv", "conv"), (1, 128, 128), 0).model
    assert starting.soften(model, DARK.mean(axis=0))
    with torch.no_grad():
        assert float(model(torch.as_tensor(DARK[:2])).mean()) == pytest.approx(0.2, abs=0.01)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    schedule = starting.growing(optimizer)
    rates = []
    for step in range(3):
        x = torch.as_tensor(DARK[4 * step : 4 * step + 4])
        optimizer.zero_grad()
        (model(x) - x).square().mean().backward()
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.001 * n / starting.WARM_UP for n in (1, 2, 3)])
    assert all(bool(p.grad.any()) for p in model.parameters())


def test_the_rate_stops_growing_at_its_own():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    schedule = starting.growing(optimizer)
    for _ in range(2 * starting.WARM_UP):
        optimizer.step()
        schedule.step()
    assert optimizer.param_groups[0]["lr"] == 0.5


class Dying(torch.nn.Module):
    """Dies at its first step at full rate; small steps leave it alive."""

    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(4, 4)
        torch.nn.init.zeros_(self.inner.weight)
        torch.nn.init.constant_(self.inner.bias, 0.9)

    def forward(self, x):
        return self.inner(x).relu()


def test_death_is_noticed_within_the_first_steps_and_the_next_start_is_softer(linear_rows):
    rows = linear_rows[:, :4] * 0.3
    data = Dataset(rows[:400], rows[400:500], rows[500:], Features())
    steps: list[int] = []

    def build(seed):
        model = Dying()
        model.register_forward_hook(lambda m, given, x_hat: steps.append(int(m.training)))
        return Untrained(model, Training(epochs=40, learning_rate=1.0, batch_size=8))

    detector = fitting.fit(data, build, 0, lambda text, share: None)
    assert detector.report["starts"] > 1
    assert detector.report["softened"]
    first = steps[: steps.index(0, steps.index(1) + 1)]
    assert sum(first) <= fitting.EARLY
