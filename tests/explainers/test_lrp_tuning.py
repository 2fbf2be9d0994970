"""Cheaper products are the same products: layouts, and upsampling fused with the convolution."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from aexbench import Detector, explainers
from aexbench.explainers.lrp import tuning
from aexbench.explainers.lrp.capture import capture
from aexbench.explainers.lrp.maps import Convolution, Doubled

ONE = (1, 1)
PADDINGS = [(0, 0), (1, 1), (2, 2), (0, 1)]


def doubled(padding, bias=True):
    torch.manual_seed(1)
    conv = nn.Conv2d(3, 5, 3, padding=padding, bias=bias).double()
    settings = Convolution(conv.weight.detach(), ONE, tuple(padding), ONE, (0, 0), 1)
    return conv, Doubled(settings)


@pytest.mark.parametrize("padding", PADDINGS)
def test_one_transposed_convolution_is_upsampling_and_convolution(padding):
    conv, fused = doubled(padding)
    x = torch.rand(2, 3, 6, 7, dtype=torch.float64)
    weight = fused.prepared(fused.weight)
    assert weight.shape == (3, 5, 4, 4)
    slow = conv(x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    torch.testing.assert_close(fused.apply(x, weight, conv.bias), slow)


@pytest.mark.parametrize("padding", PADDINGS)
def test_its_adjoint_is_that_of_both(padding):
    conv, fused = doubled(padding, bias=False)
    x = torch.rand(2, 3, 6, 7, dtype=torch.float64, requires_grad=True)
    y = conv(F.interpolate(x, scale_factor=2))
    upstream = torch.rand_like(y)
    (slow,) = torch.autograd.grad(y, x, upstream)
    found = fused.adjoint(upstream, fused.prepared(fused.weight), x.detach())
    torch.testing.assert_close(found, slow)


def test_each_tap_is_a_sum_of_the_weights_that_reach_it():
    _, fused = doubled((1, 1))
    weight, w = fused.prepared(fused.weight), fused.weight
    reached = {0: [2], 1: [1, 2], 2: [0, 1], 3: [0]}
    for t, rows in reached.items():
        for u, columns in reached.items():
            expected = sum(w[:, :, k, j] for k in rows for j in columns).T
            torch.testing.assert_close(weight[:, :, t, u], expected)


class Upsampling(nn.Module):
    """A convolution behind an upsampling, with what varies between tests."""

    def __init__(self, scale=2.0, mode="nearest", norm=False, twice=False, **settings):
        super().__init__()
        settings = {"kernel_size": 3, "padding": 1} | settings
        self.down = nn.Conv2d(1, 4, 3, stride=2, padding=1)
        self.up = nn.Upsample(scale_factor=scale, mode=mode)
        self.conv = nn.Conv2d(4, 4, **settings)
        self.norm = nn.BatchNorm2d(4) if norm else nn.Identity()
        self.out, self.twice = nn.Conv2d(4, 1, 3, padding=1), twice

    def forward(self, x):
        up = self.up(F.relu(self.down(x)))
        found = F.relu(self.norm(self.conv(up)))
        return self.out(found + up if self.twice else found)


def model(**settings):
    torch.manual_seed(3)
    made = Upsampling(**settings).double().eval()
    if isinstance(made.norm, nn.BatchNorm2d):
        for value in (made.norm.running_mean, made.norm.weight, made.norm.bias):
            nn.init.normal_(value)
    return made


def fused(made):
    return [o for o in tuning.tuned(capture(made)) if isinstance(o.own, Doubled)]


X = torch.rand(3, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
RULES = ["z-plus", "w2", "flat", "gamma", "alpha-beta", "sign", "epsilon"]


def explained(made, monkeypatch=None, **parameters):
    with pytest.MonkeyPatch.context() as patch:
        if monkeypatch:
            patch.setattr("aexbench.explainers.lrp.tuned", lambda operations: operations)
            patch.setattr("aexbench.explainers.lrp.channels_last", lambda operations: False)
        explainer = explainers.create("lrp", Detector(copy.deepcopy(made)), **parameters)
        return explainer.explain(X)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("norm", [False, True])
def test_every_rule_shares_as_it_does_without(rule, norm):
    made = model(norm=norm)
    assert len(fused(made)) == 1
    slow = explained(made, monkeypatch=True, first="z-box", rule=rule)
    torch.testing.assert_close(explained(made, first="z-box", rule=rule), slow)


@pytest.mark.parametrize(
    "settings",
    [
        {"scale": 3.0},
        {"scale": (2.0, 1.0)},
        {"mode": "bilinear"},
        {"twice": True},
        {"kernel_size": 5, "padding": 2},
        {"stride": 2},
        {"dilation": 2},
        {"groups": 2},
        {"padding": 3},
    ],
)
def test_what_is_something_else_is_left_alone(settings):
    made = model(**settings)
    assert fused(made) == []
    if made(X).shape == X.shape:
        torch.testing.assert_close(explained(made), explained(made, monkeypatch=True))


@pytest.mark.parametrize("scale", [2, 2.0, (2.0, 2.0)])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_twice_the_size_is_fused_however_it_is_spelled(scale, mode):
    made = model(scale=scale, mode=mode)
    assert len(fused(made)) == 1
    torch.testing.assert_close(explained(made), explained(made, monkeypatch=True))


def test_a_hooked_convolution_is_asked_itself():
    made = model()
    made.conv.register_forward_hook(lambda module, given, found: found)
    assert fused(made) == []
    of = {o.name.split(" ")[0]: o for o in tuning.tuned(capture(made))}
    assert of["conv"].compute is made.conv
    assert of["out"].compute is not made.out


def test_changed_weights_are_seen():
    made = model()
    explainer = explainers.create("lrp", Detector(made))
    before = explainer.explain(X)
    with torch.no_grad():
        made.conv.weight.mul_(torch.linspace(-1, 1, 9).view(3, 3))
    after = explainer.explain(X)
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, explained(made, monkeypatch=True))


def test_group_norm_and_views_keep_their_layout():
    plain, normed = model(), model()
    normed.norm = nn.GroupNorm(2, 4).double()
    weights = [
        o.own.channels_last for o in tuning.tuned(capture(normed)) if isinstance(o.own, Convolution)
    ]
    assert weights == [False, False]
    weights = [
        o.own.channels_last for o in tuning.tuned(capture(plain)) if isinstance(o.own, Convolution)
    ]
    assert weights == [True, True]


def test_four_images_are_explained_at_once_where_they_fit(monkeypatch):
    explainer = explainers.create("lrp", Detector(model())).explainer
    monkeypatch.setattr(explainer.detector, "chunk_rows", lambda x: 1)
    assert explainer._chunk_rows(X) == 4
    explainer._rows.clear()
    monkeypatch.setattr(explainer.detector, "activation_bytes", lambda x: 2**27)
    assert explainer._chunk_rows(X) == 2
    explainer._rows.clear()
    monkeypatch.setattr(explainer.detector, "activation_bytes", lambda x: 2**29)
    assert explainer._chunk_rows(X) == 1
