"""Untrained twins are untrained, whatever computes their weights."""

from __future__ import annotations

import copy
import warnings
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune
from torch.utils._pytree import tree_leaves

from aexbench import Detector, Features, SkipError
from aexbench.running.controls import check_untrained, controlled

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


class Layer(nn.Module):
    """Draws whatever parameters it has, as recurrent layers do: those that hooks made too."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4))

    def reset_parameters(self):
        for parameter in self.parameters():
            nn.init.normal_(parameter)

    def forward(self, x):
        return x @ self.weight


def hooked(norm, layer, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        norm(layer, name)
    return layer


def pruned(layer, name):
    return prune.random_unstructured(layer, name, 0.3)


class Scaled:
    """A hook of one's own that computes a weight before each call."""

    def __call__(self, module, _):
        module.weight = module.weight_orig * 0.5


def scaled(layer):
    layer.weight_orig = nn.Parameter(layer.weight.detach().clone())
    del layer._parameters["weight"]
    layer.weight = layer.weight_orig.detach()
    layer.register_forward_pre_hook(Scaled())
    return layer


class Replacing(nn.Module):
    """Makes new parameters where it draws initial weights."""

    def __init__(self):
        super().__init__()
        self.reset_parameters()

    def reset_parameters(self):
        self.weight = nn.Parameter(torch.randn(4, 4))

    def forward(self, x):
        return x @ self.weight


class Complex(nn.Module):
    def __init__(self):
        super().__init__()
        self.filter = nn.Parameter(torch.randn(3, dtype=torch.complex64))

    def forward(self, x):
        return torch.fft.irfft(torch.fft.rfft(x) * self.filter, n=4)


def frozen(model):
    return model.requires_grad_(False)


HOOKS = {
    "weight norm": nn.utils.weight_norm,
    "spectral norm": nn.utils.spectral_norm,
    "pruned": pruned,
}
RECURRENT = {
    **{
        f"lstm, {name}": lambda hook=hook: hooked(
            hook, nn.LSTM(4, 4, batch_first=True), "weight_hh_l0"
        )
        for name, hook in HOOKS.items()
    },
    "lstm": lambda: nn.LSTM(4, 4, batch_first=True),
    "lstm, orthogonal": lambda: parametrizations.orthogonal(
        nn.LSTM(4, 4, batch_first=True), "weight_hh_l0"
    ),
}
MODELS = {
    **RECURRENT,
    **{
        f"all parameters, {name}": lambda hook=hook: hooked(hook, Layer(), "weight")
        for name, hook in HOOKS.items()
    },
    "scaled": lambda: scaled(nn.Linear(4, 4)),
    "replacing": Replacing,
    "complex": Complex,
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
}


def trained(name):
    """Return a detector whose every parameter was moved far from any initial weight."""
    torch.manual_seed(7)
    model = MODELS[name]().train()
    x = X[:, None].expand(-1, 2, -1) if name in {"transformer", *RECURRENT} else X
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(3):
        x_hat = model(x)
        x_hat = x_hat[0] if isinstance(x_hat, tuple) else x_hat
        optimizer.zero_grad()
        (x_hat - x - 1).square().sum().backward()
        optimizer.step()
    output = 0 if name in RECURRENT else None
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
    assert not torch.equal(twins[0].reconstruct(x), twins[1].reconstruct(x))
    for key, parameter in detector.model.named_parameters():
        assert torch.equal(parameter, own[key])


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize(
    ("layer", "name"), [("lstm", "weight_hh_l0"), ("all parameters", "weight")]
)
def test_a_weight_whose_parts_the_reset_draws_is_not_the_trained_one_again(layer, name, hook):
    detector, x = trained(f"{layer}, {hook}")
    twin = controlled(detector, "initial", 0)
    twin.reconstruct(x)
    module, drawn = (getattr(one.model, "model", one.model) for one in (detector, twin))
    was, now = (getattr(one, name).detach().flatten(1) for one in (module, drawn))
    assert float(torch.cosine_similarity(was, now).abs().min()) < 0.9
    if layer == "lstm" and hook == "weight norm":  # as a new one: no longer than its hidden size
        assert 0.3 < float(now.abs().max()) <= 0.5


class Drawing(nn.Module):
    """Draws all that is below it, as nn.Transformer does."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def reset_parameters(self):
        for parameter in self.parameters():
            nn.init.normal_(parameter)

    def forward(self, x):
        return self.layers(x)


@pytest.mark.parametrize("norm", [parametrizations.spectral_norm, nn.utils.spectral_norm])
def test_spectral_norm_follows_weights_that_another_module_draws(norm):
    model = Drawing(hooked(norm, nn.Linear(6, 6, bias=False), "weight"))
    twin = controlled(Detector(model), "initial", 0)
    twin.reconstruct(torch.rand(2, 6))
    weight = twin.model.layers[0].weight
    assert float(torch.linalg.matrix_norm(weight, 2)) == pytest.approx(1, abs=0.02)


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
    many.token = nn.Parameter(torch.randn(5000) * 3j)
    drawn = torch.view_as_real(controlled(Detector(many), "initial", 0).model.token)
    assert float(drawn.std()) == pytest.approx(3 / 2**0.5, rel=0.1)


class Lazy(nn.Linear):
    """Says that it draws initial weights, and leaves its bias."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        nn.init.normal_(self.bias)  # which is whatever lay in the memory

    def reset_parameters(self):
        nn.init.normal_(self.weight)


def test_what_would_stay_trained_is_skipped_by_name():
    model = nn.Sequential(Lazy(4, 4))
    with pytest.raises(SkipError, match=r"no initial weights: 0\.bias would stay trained"):
        controlled(Detector(model), "initial", 0)
    fresh = Detector(model, fresh=lambda: nn.Sequential(nn.Linear(4, 4)))
    one, other = (controlled(fresh, "initial", seed).model[0].bias for seed in (0, 1))
    assert not torch.equal(one, other)


class Beside(nn.Linear):
    """Returns its input too: two parts that may be x̂."""

    def forward(self, x):
        return x, super().forward(x)


def test_of_what_fresh_makes_the_named_part_is_taken():
    another = Beside(4, 4)
    detector = Detector(Beside(4, 4), output=1, fresh=lambda: another)
    torch.testing.assert_close(controlled(detector, "initial", 0).reconstruct(X), another(X)[1])


def test_what_fresh_makes_is_of_the_detectors_type():
    detector = Detector(nn.Linear(4, 4).double(), fresh=lambda: nn.Linear(4, 4))
    twin = controlled(detector, "initial", 0)
    assert twin.dtype == twin.error(X.double()).dtype == torch.float64


def test_a_parametrized_layer_hides_nothing_that_stays_trained():
    lazy = parametrizations.orthogonal(Lazy(4, 4))
    with pytest.raises(SkipError, match=r"no initial weights: bias would stay trained"):
        controlled(Detector(lazy), "initial", 0)
    both = pruned(parametrizations.orthogonal(nn.Linear(4, 4)), "bias")
    twin = controlled(Detector(both), "initial", 0)
    assert not torch.equal(twin.model.bias_orig, both.bias_orig)


def test_what_is_frozen_was_trained_too():
    model = frozen(Token())
    twin = controlled(Detector(model), "initial", 0)
    assert twin.report["redrawn"] == ["token"]
    assert not torch.equal(twin.model.token, model.token)
    assert not any(parameter.requires_grad for parameter in twin.model.parameters())
    model.register_parameter("gain", nn.Parameter(torch.ones(4), requires_grad=False))
    with pytest.raises(SkipError, match="no initial weights: gain would stay trained"):
        controlled(Detector(model), "initial", 0)


class Quantised(nn.Module):
    """Its codes follow a mean and are no parameters; its layer draws some of its buffers."""

    def __init__(self):
        super().__init__()
        self.inner = OwnNoise()
        self.register_buffer("codes", torch.rand(5, 4))
        self.register_buffer("mask", torch.ones(4))
        self.register_buffer("positions", torch.rand(4), persistent=False)
        self.register_buffer("places", torch.eye(4).to_sparse())
        self.register_buffer("steps", torch.arange(4))

    def forward(self, x):
        return self.inner(self.codes[torch.cdist(x, self.codes).argmin(1)])


class OwnNoise(nn.Linear):
    def __init__(self):
        super().__init__(4, 4)

    def reset_parameters(self):
        super().reset_parameters()
        self.register_buffer("noise", torch.rand(4))


def test_buffers_are_kept_and_those_that_could_be_trained_are_named():
    model = Quantised()
    twin = controlled(Detector(model), "initial", 0)
    assert twin.report == {"kept": ["codes", "places"]}
    assert torch.equal(twin.model.codes, model.codes)
    assert not torch.equal(twin.model.inner.noise, model.inner.noise)


@pytest.mark.parametrize("affine", [True, False])
def test_running_statistics_are_reset_even_if_another_module_draws_the_weights(affine):
    model = Drawing(nn.Linear(4, 4), nn.BatchNorm1d(4, affine=affine)).train()
    model(X * 5 + 3)
    twin = controlled(Detector(model.eval()), "initial", 0)
    assert twin.report == {}
    assert torch.equal(twin.model.layers[1].running_mean, torch.zeros(4))
    assert torch.equal(twin.model.layers[1].running_var, torch.ones(4))


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
            check_untrained(detector, controlled(detector, control, 0), X)
    other = controlled(Detector(model), control, 0)
    check_untrained(Detector(model), other, X)
    assert other.model is not model


class FirstIsZero(nn.Module):
    """Its first output is 0, whatever its weights."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return nn.functional.pad(self.layer(x)[:, 1:], (1, 0))


def test_a_column_that_every_network_reconstructs_alike_takes_no_twin():
    detector = Detector(FirstIsZero())
    twin = controlled(detector, "initial", 0)
    check_untrained(detector, twin, X)
    assert twin.report == {}


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


@pytest.mark.parametrize("control", ["initial", "permuted"])
@pytest.mark.parametrize(
    "held",
    [
        lambda t: t,
        lambda t: [t],
        lambda t: {"of": (t, 1)},
        lambda t: SimpleNamespace(loss=t),
    ],
)
def test_a_model_that_keeps_what_has_a_graph_is_copied(held, control):
    model = nn.Linear(4, 4)
    loss = model(X).mean()
    model.kept = held(loss)
    twin = controlled(Detector(model), control, 0)
    kept = [t for t in tree_leaves(vars_of(twin.model.kept)) if isinstance(t, torch.Tensor)]
    assert [float(t) for t in kept] == [float(loss)]
    assert not kept[0].requires_grad
    assert loss.requires_grad


def vars_of(held):
    return vars(held) if isinstance(held, SimpleNamespace) else held


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


def test_a_constant_error_has_a_gradient_of_zeros():
    model = nn.Sequential(nn.Linear(4, 2), nn.Tanh(), nn.Linear(2, 4))
    ablated = controlled(Detector(model), "loss-ablated", 0)
    x = X.clone().requires_grad_()
    x_hat = ablated.reconstruct(x)
    error = ablated.error_share(x, x_hat).sum()
    for gradient in torch.autograd.grad(error, (x, x_hat, model[0].weight)):
        assert not gradient.any()
    ablated.error(x).sum().backward()
    assert torch.equal(x.grad, torch.zeros_like(x))
    assert torch.equal(ablated.error_gradient(X), torch.zeros_like(X))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_the_constant_error_is_what_it_is_whatever_comes_out(value):
    ablated = controlled(Detector(nn.Identity()), "loss-ablated", 0)
    x = torch.full((2, 4), value, requires_grad=True)
    assert torch.equal(ablated.error_map(x), torch.full((2, 4), 0.25))
    assert torch.equal(torch.autograd.grad(ablated.error(x).sum(), x)[0], torch.zeros(2, 4))


class Weighted(Detector):
    """Measures the error past its columns' shares."""

    def error(self, x):
        return (self.model(x) - x).square().mean(1)


class Doubled(Detector):
    """Measures the map past its columns' shares."""

    def error_map(self, x):
        return 2 * super().error_map(x)


def test_an_error_past_the_shares_of_columns_has_no_ablated_form():
    with pytest.raises(SkipError, match=r"Weighted has its own error, .*error_share"):
        controlled(Weighted(nn.Linear(4, 4)), "loss-ablated", 0)
    with pytest.raises(SkipError, match=r"Doubled has its own error_map, .*error_share"):
        controlled(Doubled(nn.Linear(4, 4)), "loss-ablated", 0)


def test_a_loss_of_ones_own_is_kept_by_twins():
    def share(x, x_hat):
        return (x - x_hat).abs().sqrt() / 4

    detector = Detector(nn.Linear(4, 4), share)
    twin = controlled(detector, "permuted", 0)
    torch.testing.assert_close(twin.error(X), share(X, twin.model(X)).sum(1).detach())
    with pytest.raises(Exception, match="returns each column's share"):
        Detector(nn.Linear(4, 4), lambda x, x_hat: (x - x_hat).sum(1)).error(X)


class Gained(nn.Module):
    """A parameter of one element has no spread that it could be redrawn with."""

    def __init__(self):
        super().__init__()
        self.inner, self.gain = nn.Linear(4, 4), nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        return self.gain * self.inner(x)


def test_a_constant_that_nothing_initialises_makes_no_twin():
    with pytest.raises(SkipError, match="gain would stay trained"):
        controlled(Detector(Gained()), "initial", 0)


def test_attention_draws_its_own_initial_weights():
    for name in ("attention", "transformer"):
        assert "redrawn" not in controlled(trained(name)[0], "initial", 0).report
