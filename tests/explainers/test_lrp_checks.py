"""LRP looks where its relevance goes before it answers: with its sample, by the right adjoint."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from aexbench import Detector, SkipError, explainers
from aexbench.explainers.lrp.handlers import routes

X = torch.rand(4, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


class TimeFirst(nn.Module):
    """A network of sequences (N, T, C) that works in the layout (T, N, C)."""

    def __init__(self, outputs, last):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layer = nn.Linear(3, outputs).double()
        self.last = last

    def forward(self, x):
        return self.last(self.layer(x.transpose(0, 1))).transpose(0, 1)


class BatchFirst(TimeFirst):
    """The same network in the layout (N, T, C)."""

    def forward(self, x):
        return self.last(self.layer(x))


def joined(h):
    return torch.cat([h, torch.zeros_like(h[..., :1])], 2)


def padded(h):
    return F.pad(h, (0, 1))


def padded_in_time(h):
    return F.pad(h, (0, 0, 0, 0, 1, 0))[:5]


def joined_in_time(h):
    return torch.cat([h[1:], torch.zeros_like(h[:1])], 0)


def explained(model, x=X, **given):
    return explainers.create("lrp", Detector(model), **given).explain(x)


@pytest.mark.parametrize(
    ("outputs", "last"),
    [(2, joined), (2, padded), (3, padded_in_time), (3, joined_in_time)],
)
@pytest.mark.parametrize("given", [{}, {"layers": ["*=epsilon"]}, {"root": "joint"}])
@pytest.mark.parametrize("count", [1, 4])
def test_constants_put_in_time_first_are_refused(outputs, last, given, count):
    with pytest.raises(SkipError, match=r"its batch|hand relevance back|sum to the sample"):
        explained(TimeFirst(outputs, last), X[:count], **given)


@pytest.mark.parametrize("last", [joined, padded])
def test_constants_put_in_batch_first_are_explained(last):
    model = BatchFirst(2, last)
    found = explained(model)
    torch.testing.assert_close(found.flatten(1).sum(1), Detector(model).error(X))


def test_time_first_without_constants_is_explained():
    model = TimeFirst(3, torch.relu)
    torch.testing.assert_close(explained(model).flatten(1).sum(1), Detector(model).error(X))


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
@pytest.mark.parametrize(
    ("dims", "factor"), [(1, 1.5), (2, 1.5), (2, (1.5, 2.0)), (3, 1.5), (2, 2)]
)
def test_relevance_of_upsampling_goes_to_what_was_copied(mode, dims, factor):
    """The adjoint is autograd's, whichever neighbour is the nearest."""
    upsample = nn.Upsample(scale_factor=factor, mode=mode)
    call = type("Call", (), {"name": "interpolate", "module": upsample})
    x = torch.rand(2, 3, *(4,) * dims, dtype=torch.float64, requires_grad=True)
    y = torch.rand_like(upsample(x))
    adjoint = routes._known_adjoint(call)
    expected = torch.autograd.grad(upsample(x), x, y)[0]
    torch.testing.assert_close(adjoint(x.detach(), y), expected)


def upsampled(mode):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [nn.Conv2d(1, 2, 2, 2), nn.ReLU(), nn.Upsample(scale_factor=1.5, mode=mode)]
        layers += [nn.Conv2d(2, 1, 3, padding=1), nn.Upsample(size=(8, 8))]
        return nn.Sequential(*layers).double()


IMAGES = torch.rand(3, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_the_adjoints_of_another_kind_are_refused(monkeypatch):
    assert torch.isfinite(explained(upsampled("nearest-exact"), IMAGES)).all()
    own = routes._nearest_adjoint
    monkeypatch.setattr(
        routes, "_nearest_adjoint", lambda x, y, f, name: own(x, y, f, "upsample_nearest")
    )
    assert torch.isfinite(explained(upsampled("nearest"), IMAGES)).all()
    with pytest.raises(SkipError, match="adjoint of 2"):
        explained(upsampled("nearest-exact"), IMAGES)


def test_a_wrong_adjoint_of_a_weighted_layer_is_refused(monkeypatch):
    from aexbench.explainers.lrp.maps import Dense

    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 3)).double()
    explained(model, X[:, 0])
    monkeypatch.setattr(Dense, "adjoint", lambda self, y, weight, x: 2 * (y @ weight))
    with pytest.raises(SkipError, match="adjoint of 0"):
        explained(model, X[:, 0])


def test_relevance_that_does_not_sum_to_the_error_is_refused(monkeypatch):
    from aexbench.explainers.lrp.rules import ZPlus

    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 3)).double()
    own = ZPlus.propagate
    monkeypatch.setattr(ZPlus, "propagate", lambda *given: 1.01 * own(*given))
    with pytest.raises(SkipError, match="does not sum to the sample's error"):
        explained(model, X[:, 0])
