"""Untrained twins are untrained, whatever computes their weights."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from aexbench import Detector, Features, SkipError
from aexbench.running.controls import controlled

X = torch.rand(6, 4, generator=torch.Generator().manual_seed(1))


def old_weight_norm(layer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nn.utils.weight_norm(layer)


class OwnReset(nn.Module):
    """Draws only a gain by itself; its layer must be drawn too."""

    def __init__(self):
        super().__init__()
        self.gain, self.inner = nn.Parameter(torch.ones(4)), nn.Linear(4, 4)

    def reset_parameters(self):
        nn.init.uniform_(self.gain)

    def forward(self, x):
        return self.inner(x) * self.gain


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(2, 1, batch_first=True)

    def forward(self, x):
        h = x.view(-1, 2, 2)
        return self.attention(h, h, h, need_weights=False)[0].reshape(x.shape)


class Token(nn.Module):
    """A parameter without any initialiser."""

    def __init__(self):
        super().__init__()
        self.token, self.inner = nn.Parameter(torch.randn(4)), nn.Linear(4, 4)

    def forward(self, x):
        return self.inner(x) + self.token


class Symmetric(nn.Module):
    """A parametrization without a way back from a weight to what it is made of."""

    def forward(self, x):
        return x.triu() + x.triu(1).T


def symmetric():
    model = nn.Linear(4, 4)
    nn.utils.parametrize.register_parametrization(model, "weight", Symmetric())
    return model


MODELS = {
    "symmetric": symmetric,
    "plain": lambda: nn.Linear(4, 4),
    "weight norm": lambda: parametrizations.weight_norm(nn.Linear(4, 4)),
    "old weight norm": lambda: old_weight_norm(nn.Linear(4, 4)),
    "spectral norm": lambda: parametrizations.spectral_norm(nn.Linear(4, 4)),
    "old spectral norm": lambda: nn.utils.spectral_norm(nn.Linear(4, 4)),
    "orthogonal": lambda: parametrizations.orthogonal(nn.Linear(4, 4)),
    "householder": lambda: parametrizations.orthogonal(nn.Linear(4, 4), orthogonal_map="cayley"),
    "pruned": lambda: prune.random_unstructured(nn.Linear(4, 4), "weight", 0.3),
    "own reset": OwnReset,
    "attention": Attention,
    "token": Token,
    "transformer": lambda: nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True),
    "batch norm": lambda: nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)),
    "lstm": lambda: nn.LSTM(4, 4, batch_first=True),
}


def trained(name):
    """Return a detector whose every parameter was moved far from any initial weight."""
    torch.manual_seed(7)
    model = MODELS[name]().train()
    x = X[:, None] if name in ("transformer", "lstm") else X
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(3):
        x_hat = model(x)
        x_hat = x_hat[0] if isinstance(x_hat, tuple) else x_hat
        optimizer.zero_grad()
        (x_hat - x - 1).square().sum().backward()
        optimizer.step()
    output = 0 if name == "lstm" else None
    return Detector(model.eval(), output=output), x


@pytest.mark.parametrize("name", MODELS)
def test_no_trained_parameter_is_left_and_none_comes_back(name):
    detector, x = trained(name)
    own = {n: p.detach().clone() for n, p in detector.model.named_parameters()}
    expected = detector.reconstruct(x)
    twins = [controlled(detector, "initial", seed) for seed in (0, 1, 0)]
    for twin in twins:
        found = twin.reconstruct(x)
        assert not torch.allclose(found, expected, rtol=1e-3)
        torch.testing.assert_close(twin.reconstruct(x), found)
        for key, parameter in twin.model.named_parameters():
            assert not torch.equal(parameter, own[key]), key
    torch.testing.assert_close(twins[0].reconstruct(x), twins[2].reconstruct(x))
    if name not in ("lstm",):
        assert not torch.equal(twins[0].reconstruct(x), twins[1].reconstruct(x))
    for key, parameter in detector.model.named_parameters():
        assert torch.equal(parameter, own[key])


def test_what_has_no_initialiser_is_redrawn_with_its_spread_and_that_is_said():
    detector, _ = trained("token")
    twin = controlled(detector, "initial", 0)
    assert twin.report["redrawn"] == ["token"]
    twin = controlled(trained("symmetric")[0], "initial", 0)
    assert twin.report["redrawn"] == ["parametrizations.weight.original"]
    assert torch.equal(twin.model.weight, twin.model.weight.T)
    assert "redrawn" not in controlled(trained("orthogonal")[0], "initial", 0).report
    many = nn.Module()
    many.token = nn.Parameter(torch.randn(5000) * 3 + 2)
    drawn = controlled(Detector(many), "initial", 0).model.token
    assert float(drawn.mean()) == pytest.approx(2, abs=0.2)
    assert float(drawn.std()) == pytest.approx(3, rel=0.1)


class Lazy(nn.Linear):
    """Says that it draws initial weights, and leaves its bias."""

    def reset_parameters(self):
        nn.init.normal_(self.weight)


def test_what_would_stay_trained_is_skipped_by_name():
    model = nn.Sequential(Lazy(4, 4))
    with pytest.raises(SkipError, match=r"no initial weights: 0\.bias would stay trained"):
        controlled(Detector(model), "initial", 0)
    fresh = Detector(model, fresh=lambda: nn.Sequential(nn.Linear(4, 4)))
    one, other = (controlled(fresh, "initial", seed).model[0].bias for seed in (0, 1))
    assert not torch.equal(one, other)


class Closure(nn.Module):
    """Its weights are no parameters."""

    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(4, 4)]

    def forward(self, x):
        return self.layers[0](x)


@pytest.mark.parametrize("control", ["initial", "permuted"])
def test_a_twin_that_reconstructs_as_the_trained_network_does_is_none(control):
    model = nn.Linear(4, 4)
    given = [Detector(Closure()), Detector(nn.Identity())]
    if control == "initial":
        given.append(Detector(model, fresh=lambda: copy.deepcopy(model)))
    for detector in given:
        with pytest.raises(SkipError, match="reconstructs as the trained network does"):
            controlled(detector, control, 0, X)
    assert controlled(Detector(model), control, 0, X).model is not model


@pytest.mark.parametrize("norm", [parametrizations.spectral_norm, nn.utils.spectral_norm])
@pytest.mark.parametrize("make", [lambda: nn.Linear(6, 6), lambda: nn.Conv1d(3, 3, 3)])
def test_a_twin_under_spectral_norm_has_that_norm(norm, make):
    torch.manual_seed(0)
    model = norm(make())
    x = torch.randn(9, 6) if isinstance(model, nn.Linear) else torch.randn(9, 3, 8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(30):
        optimizer.zero_grad()
        (model(x) - 2).square().sum().backward()
        optimizer.step()
    twin = controlled(Detector(model.eval()), "initial", 0).model
    twin(x)
    assert not twin.training
    assert float(torch.linalg.matrix_norm(twin.weight.flatten(1), 2)) == pytest.approx(1, abs=0.02)


class WithGain(nn.Linear):
    def reset_parameters(self, gain=None):
        if gain is None and hasattr(self, "made"):
            raise TypeError("reset_parameters() missing 1 required argument: 'gain'")
        super().reset_parameters()
        self.made = True


def test_what_cannot_draw_initial_weights_is_skipped_with_the_way_out():
    with pytest.raises(SkipError, match=r"'gain'; give Detector\(\.\.\., fresh=function\)"):
        controlled(Detector(WithGain(4, 4)), "initial", 0)
    for made in (None, Detector(nn.Linear(4, 4))):
        with pytest.raises(SkipError, match=r"fresh returns a .*must make a torch\.nn\.Module"):
            controlled(Detector(nn.Linear(4, 4), fresh=lambda made=made: made), "initial", 0)


def test_a_model_that_keeps_what_has_a_graph_is_copied():
    model = nn.Linear(4, 4)
    model.kept = model(X).mean()
    twin = controlled(Detector(model), "initial", 0)
    assert not twin.model.kept.requires_grad


class Huber(Detector):
    """Has an error of its own."""

    def error_share(self, x, x_hat):
        return nn.functional.huber_loss(x_hat, x, reduction="none") / x.shape[1]


@pytest.mark.parametrize("control", ["initial", "permuted", "loss-ablated"])
def test_a_subclass_keeps_its_class_loss_features_and_report(control):
    features = Features(names=tuple("abcd"))
    detector = Huber(nn.Linear(4, 4), "l1", features, report={"epochs": 3})
    twin = controlled(detector, control, 0)
    assert isinstance(twin, Huber)
    assert (twin.loss, twin.features, twin.report["epochs"]) == ("l1", features, 3)
    if control != "loss-ablated":
        expected = detector.error_share(X, twin.model(X))
        torch.testing.assert_close(twin.error_map(X), expected.detach())


class Weighted(Detector):
    """Measures the error past its columns' shares."""

    def error(self, x):
        return (self.model(x) - x).square().mean(1)


def test_an_error_past_the_shares_of_columns_has_no_ablated_form():
    with pytest.raises(SkipError, match=r"Weighted has its own error, .*error_share"):
        controlled(Weighted(nn.Linear(4, 4)), "loss-ablated", 0)


def test_a_loss_of_ones_own_is_kept_by_twins():
    def share(x, x_hat):
        return (x - x_hat).abs().sqrt() / 4

    detector = Detector(nn.Linear(4, 4), share)
    twin = controlled(detector, "permuted", 0)
    torch.testing.assert_close(twin.error(X), share(X, twin.model(X)).sum(1).detach())
    with pytest.raises(Exception, match="returns each column's share"):
        Detector(nn.Linear(4, 4), lambda x, x_hat: (x - x_hat).sum(1)).error(X)
