"""Random networks, modules and functions mixed, against the tape: what no hand-written case thinks
of.
"""

from __future__ import annotations

import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from aexbench import Detector, explainers
from tests.explainers import tape_twin

Step = nn.Module  # maps (N, C, H, W) to another such tensor


class Do(nn.Module):
    """A function as a step, with modules that it may use."""

    def __init__(self, function, *parts: nn.Module) -> None:
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(parts)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x, *self.parts)


def batch_norm(x, norm):
    return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias)


def padded(x, conv):
    return F.conv2d(F.pad(x, (1, 1, 1, 1)), conv.weight, conv.bias)


def unpooled(x):
    small, indices = F.max_pool2d(x, 2, return_indices=True)
    return F.max_unpool2d(small, indices, 2, output_size=x.shape[2:])


def steps(c: int) -> list:
    """Return makers of steps that keep (N, c, 8, 8)."""
    conv = lambda o=c, **k: nn.Conv2d(c, o, 3, padding=1, **k)  # noqa: E731
    return [
        lambda: conv(bias=False),
        lambda: conv(padding_mode="circular"),
        lambda: conv(groups=c),
        lambda: Do(
            lambda x, m: F.conv2d(input=x, weight=m.weight, bias=m.bias, padding="same"), conv()
        ),
        lambda: Do(padded, nn.Conv2d(c, c, 3)),
        lambda: nn.Sequential(conv(), nn.BatchNorm2d(c), nn.LeakyReLU(0.2, inplace=True)),
        lambda: Do(lambda x, m, n: torch.relu(batch_norm(m(x), n)), conv(), nn.BatchNorm2d(c)),
        lambda: nn.Sequential(
            nn.Conv2d(c, c, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(c, c, 4, 2, 1)
        ),
        lambda: Do(lambda x, m: x + F.relu(m(x)), conv()),
        lambda: Do(lambda x, m: m(x).relu_() - 0.5 * x, conv()),
        lambda: Do(lambda x, m: m(torch.cat([x, x.flip(3)], 1)), nn.Conv2d(2 * c, c, 1)),
        lambda: Do(lambda x, m: m(torch.tanh(m(x))), conv()),
        lambda: Do(lambda x: F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear")),
        lambda: Do(lambda x: F.interpolate(F.max_pool2d(x, 2), size=(8, 8))),
        lambda: Do(unpooled),
        lambda: Do(lambda x: torch.stack(x.unbind(2), 2) * 0.7 + 0.1),
        lambda: Do(
            lambda x: (
                x.view(x.shape[0], x.size(1), -1).unflatten(2, (8, 8)).transpose(2, 3).contiguous()
            )
        ),
        lambda: Do(lambda x: torch.cat(x.chunk(2, 1)[::-1], 1).clamp(min=0)),
        lambda: Do(lambda x, m: m(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), nn.Linear(c, c)),
        *(nn.ReLU, nn.GELU, nn.Sigmoid, nn.Softplus, nn.Identity, lambda: nn.Dropout2d(0.5)),
        *(
            lambda: nn.GroupNorm(1, c),
            lambda: Do(F.silu),
            lambda: Do(lambda x: F.elu(x, inplace=True)),
        ),
    ]


def network(seed: int) -> nn.Sequential:
    choose = random.Random(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inside = [choose.choice(steps(4))() for _ in range(choose.randint(2, 6))]
        model = (
            nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), *inside, nn.Conv2d(4, 1, 3, padding=1))
            .double()
            .eval()
        )
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                for value in (module.running_mean, module.weight, module.bias):
                    nn.init.normal_(value)
                nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model


@pytest.mark.parametrize("seed", range(40))
def test_a_random_network_is_explained_as_by_the_tape(seed):
    model, choose = network(seed), random.Random(seed)
    first, rule = (
        choose.choice(["z-box", "w2", "z-plus"]),
        choose.choice(["z-plus", "z-plus", "w2", "flat"]),
    )
    x = torch.rand(2, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    detector = Detector(model)
    found = explainers.create("lrp", detector, first=first, rule=rule).explain(x)
    torch.testing.assert_close(found.flatten(1).sum(1), detector.error(x))
    expected = tape_twin.explain(model, x, first=first, rule=rule)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9 * float(expected.abs().max()))
