from __future__ import annotations

import functools
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from aexbench import Detector, SkipError, explainers
from aexbench.explainers.lrp import LEAST_UNROLLED
from tests.explainers import recurrent_twin as twin

N, T, C, H = 4, 5, 3, 6
FIRSTS, RULES = ("w2", "z-box", "z-plus"), ("z-plus", "sign")
CHOICES = [(first, rule) for first in FIRSTS for rule in RULES]
KINDS = {"gru": nn.GRU, "lstm": nn.LSTM, "tanh": nn.RNN, "relu": nn.RNN}


def layer(kind: str, n: int, h: int = H, **options) -> nn.Module:
    if KINDS[kind] is nn.RNN:
        options["nonlinearity"] = kind
    return KINDS[kind](n, h, **{"batch_first": True, **options})


def weights(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy() for name, value in module.named_parameters()}


def mapped(tape, module: nn.Linear, signals) -> list:
    matrix, bias = module.weight.detach().numpy(), module.bias.detach().numpy()
    return [tape.linear(s, matrix, bias) for s in signals]


class Plain(nn.Module):
    """One recurrent layer and a map back to the input's width."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.r, self.o = kind, layer(kind, C), nn.Linear(H, C)

    def forward(self, x):
        return self.o(self.r(x)[0])

    def twin(self, tape, xs):
        hs, _ = twin.recurrent(tape, self.kind, weights(self.r), "_l0", xs)
        return mapped(tape, self.o, hs)


class TimeFirst(Plain):
    """The same, where the layer reads (T, N, C)."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.r.batch_first = False

    def forward(self, x):
        return self.o(self.r(x.transpose(0, 1))[0]).transpose(0, 1)


class TwoLayers(Plain):
    """Two layers of one module."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.r = layer(kind, C, num_layers=2)

    def twin(self, tape, xs):
        for end in ("_l0", "_l1"):
            xs, _ = twin.recurrent(tape, self.kind, weights(self.r), end, xs)
        return mapped(tape, self.o, xs)


class TwoWays(Plain):
    """A bidirectional layer."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.r, self.o = layer(kind, C, bidirectional=True), nn.Linear(2 * H, C)

    def twin(self, tape, xs):
        return mapped(tape, self.o, twin.two_ways(tape, self.kind, weights(self.r), "_l0", xs))


class Repeated(Plain):
    """An encoder whose last state is the input of the decoder at every step."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.d = layer(kind, H)

    def forward(self, x):
        state = self.r(x)[1]
        last = (state[0] if isinstance(state, tuple) else state)[-1]
        return self.o(self.d(last.unsqueeze(1).repeat(1, T, 1))[0])

    def twin(self, tape, xs):
        _, (h, _) = twin.recurrent(tape, self.kind, weights(self.r), "_l0", xs)
        hs, _ = twin.recurrent(tape, self.kind, weights(self.d), "_l0", [h] * T)
        return mapped(tape, self.o, hs)


class Started(Plain):
    """A decoder that starts from the encoder's state and reads zeros."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.d = layer(kind, C)

    def forward(self, x):
        return self.o(self.d(torch.zeros_like(x), self.r(x)[1])[0])

    def inputs(self, tape, xs):
        return [tape.constant(C) for _ in xs]

    def twin(self, tape, xs):
        _, state = twin.recurrent(tape, self.kind, weights(self.r), "_l0", xs)
        inputs = self.inputs(tape, xs)
        hs, _ = twin.recurrent(tape, self.kind, weights(self.d), "_l0", inputs, state)
        return mapped(tape, self.o, hs)


class Taught(Started):
    """The same, where the decoder reads x once more."""

    def forward(self, x):
        return self.o(self.d(x, self.r(x)[1])[0])

    def inputs(self, tape, xs):
        return xs


class FedBack(Started):
    """A decoder cell that starts from the encoder's state and zeros, and reads what it has said."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.cell = nn.LSTMCell(C, H)

    def forward(self, x):
        state, y = tuple(part[0] for part in self.r(x)[1]), torch.zeros_like(x[:, 0])
        ys = []
        for _ in range(T):
            state = self.cell(y, state)
            y = self.o(state[0])
            ys.append(y)
        return torch.stack(ys, 1)

    def twin(self, tape, xs):
        _, (h, c) = twin.recurrent(tape, self.kind, weights(self.r), "_l0", xs)
        y, ys = tape.constant(C), []
        for _ in range(T):
            h, c = twin.lstm_step(tape, weights(self.cell), "", y, h, c)
            ys += mapped(tape, self.o, [h])
            y = ys[-1]
        return ys


class Averaged(Plain):
    """The mean of the layer's states over time, mapped back at every step."""

    def forward(self, x):
        return self.o(self.r(x)[0].mean(1, keepdim=True).expand(-1, T, -1))

    def twin(self, tape, xs):
        hs, _ = twin.recurrent(tape, self.kind, weights(self.r), "_l0", xs)
        return mapped(tape, self.o, [tape.average(np.full(T, 1 / T), hs)] * T)


class Cells(Plain):
    """The layer's cell in a loop."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.cell = (nn.GRUCell if kind == "gru" else nn.LSTMCell)(C, H)
        for name, value in self.r.named_parameters():
            setattr(self.cell, name.removesuffix("_l0"), value)

    def forward(self, x):
        h = c = x.new_zeros(x.shape[0], H)
        hs = []
        for t in range(T):
            if self.kind == "gru":
                h = self.cell(x[:, t], h)
            else:
                h, c = self.cell(x[:, t], (h, c))
            hs.append(h)
        return self.o(torch.stack(hs, 1))


class ByHand(Plain):
    """A GRU written out, with one of the spellings of its last line."""

    def __init__(self, mix) -> None:
        super().__init__("gru")
        self.mix = mix

    def forward(self, x):
        h = x.new_zeros(x.shape[0], H)
        hs = []
        for t in range(T):
            a = F.linear(x[:, t], self.r.weight_ih_l0, self.r.bias_ih_l0).chunk(3, -1)
            q = F.linear(h, self.r.weight_hh_l0, self.r.bias_hh_l0).chunk(3, -1)
            r, z = torch.sigmoid(a[0] + q[0]), torch.sigmoid(a[1] + q[1])
            h = self.mix(torch.tanh(a[2] + r * q[2]), h, z)
            hs.append(h)
        return self.o(torch.stack(hs, 1))


class Attention(nn.Module):
    """Self attention in one of its three spellings."""

    def __init__(self, spelling: str, heads: int) -> None:
        super().__init__()
        self.spelling, self.heads = spelling, heads
        self.a = nn.MultiheadAttention(4, heads, batch_first=True)
        nn.init.normal_(self.a.in_proj_bias)

    def forward(self, x):
        if self.spelling == "module":
            return self.a(x, x, x)[0]
        maps = F.linear(x, self.a.in_proj_weight, self.a.in_proj_bias).chunk(3, -1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in maps)
        if self.spelling == "function":
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            y = torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), -1) @ v
        return self.a.out_proj(y.transpose(1, 2).flatten(2))

    def twin(self, tape, xs):
        return twin.multihead(tape, weights(self.a), self.heads, xs)


class Block(nn.Module):
    """Attention on top of a map, with a residual path and a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.i, self.o, self.norm = nn.Linear(C, 4), nn.Linear(4, C), nn.LayerNorm(4)
        self.a = nn.MultiheadAttention(4, 1, batch_first=True)

    def forward(self, x):
        h = self.i(x)
        return self.o(self.norm(h + self.a(h, h, h, need_weights=False)[0]))

    def twin(self, tape, xs):
        hs = mapped(tape, self.i, xs)
        ys = twin.multihead(tape, weights(self.a), 1, hs)
        sums = [tape.add(h, y) for h, y in zip(hs, ys, strict=True)]
        normed = [self.norm(torch.as_tensor(s.value)).detach().numpy() for s in sums]
        return mapped(tape, self.o, [tape.passed(*pair) for pair in zip(sums, normed, strict=True)])


class Between(nn.Module):
    """A function between two maps."""

    def __init__(self, function) -> None:
        super().__init__()
        self.i, self.function, self.o = nn.Linear(C, H), function, nn.Linear(H, C)

    def forward(self, x):
        return self.o(self.function(self.i(x)))

    def twin(self, tape, xs):
        hs = mapped(tape, self.i, xs)
        values = [self.function(torch.as_tensor(h.value)).detach().numpy() for h in hs]
        return mapped(tape, self.o, [tape.passed(*pair) for pair in zip(hs, values, strict=True)])


class NormByHand(nn.Module):
    """nn.LayerNorm, written out."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.b = nn.Parameter(torch.randn(H)), nn.Parameter(torch.randn(H))

    def forward(self, h):
        deviation = torch.sqrt(h.var(-1, unbiased=False, keepdim=True) + 1e-5)
        return (h - h.mean(-1, keepdim=True)) / deviation * self.w + self.b


class Memory(nn.Module):
    """An LSTM that stores all channels at the step that the last channel marks, and repeats them.

    Its weights are near those of the identity: each has a little noise.
    """

    def __init__(self, n: int) -> None:
        super().__init__()
        self.r, self.o = nn.LSTM(n, n, batch_first=True), nn.Linear(n, n)
        torch.manual_seed(0)
        for value in self.parameters():
            nn.init.normal_(value, std=0.005)
        nn.init.zeros_(self.o.bias)
        self.o.weight.data.copy_(10 * torch.eye(n))
        self._store(*self.r.weight_ih_l0.data.split(n), self.r.bias_ih_l0.data.view(4, n))

    def _store(self, i, f, g, o, biases) -> None:
        opening = torch.tensor([12.0] * (len(g) - 1) + [0.0])  # the mark itself is always read
        i[:, -1] += opening
        f[:, -1] -= opening
        g += 0.1 * torch.eye(len(g))
        biases += torch.tensor([-6.0, 6.0, 0.0, 6.0])[:, None]
        biases[0, -1], biases[1, -1] = 6.0, -6.0
        biases[2] = self.r.bias_hh_l0.data.view(4, -1)[2] = 0.0

    def forward(self, x):
        return self.o(self.r(x)[0])


def one_wrong_value(signs: tuple[int, ...]) -> tuple[torch.Tensor, list[tuple[int, int]]]:
    """Return sequences that keep what the marked step holds, but for one channel, and which."""
    cases, steps, n = 40, 8, 4
    rng = np.random.default_rng(0)
    x, causes = np.zeros((cases, steps, n)), []
    for row in x:
        t, k = int(rng.integers(1, steps - 2)), int(rng.integers(n - 1))
        row[t:, :-1] = rng.uniform(0.7, 1.2, n - 1) * rng.choice(signs, n - 1)
        row[t, -1] = 1.0
        row[t, k] += rng.uniform(0.3, 0.6) * rng.choice([-1, 1])
        causes.append((t, k))
    return torch.as_tensor(x), causes


def straight_through(h):
    return h + (torch.round(3 * h) / 3 - h).detach()


MIXES = {
    "two gates": lambda n, h, z: (1 - z) * n + z * h,
    "one gate": lambda n, h, z: n + z * (h - n),
    "lerp": torch.lerp,
}
NETWORKS = {
    **{f"plain {kind}": functools.partial(Plain, kind) for kind in KINDS},
    "two layers": functools.partial(TwoLayers, "gru"),
    "two ways": functools.partial(TwoWays, "lstm"),
    "time first": functools.partial(TimeFirst, "gru"),
    "repeated": functools.partial(Repeated, "lstm"),
    "started": functools.partial(Started, "lstm"),
    "started gru": functools.partial(Started, "gru"),
    "taught": functools.partial(Taught, "lstm"),
    "fed back": functools.partial(FedBack, "lstm"),
    "averaged": functools.partial(Averaged, "gru"),
    "attention 1": functools.partial(Attention, "module", 1),
    "attention 2": functools.partial(Attention, "module", 2),
    "block": Block,
    "straight through": functools.partial(Between, straight_through),
}


@functools.cache
def network(name: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return NETWORKS[name]().double().eval()


@functools.cache
def explainer(name: str, first: str, rule: str, seed: int = 0):
    return explainers.create("lrp", Detector(network(name, seed)), first=first, rule=rule)


def samples(model: nn.Module, seed: int = 0) -> torch.Tensor:
    """Sequences in and somewhat outside of the box."""
    width = 4 if isinstance(model, Attention) else C
    drawn = np.random.default_rng(seed).uniform(-0.2, 1.2, (N, T, width))
    return torch.as_tensor(drawn)


def shared(model: nn.Module, other: nn.Module) -> nn.Module:
    """Return the other network, with the model's weights."""
    other = other.double().eval()
    with torch.no_grad():
        for value, source in zip(other.parameters(), model.parameters(), strict=True):
            value.copy_(source)
    return other


def relevance(model: nn.Module, x: torch.Tensor, first: str, rule: str) -> torch.Tensor:
    return explainers.create("lrp", Detector(model), first=first, rule=rule).explain(x)


def assert_same(found, expected) -> None:
    found, expected = np.asarray(found), np.asarray(expected)
    assert np.abs(found - expected).max() <= 1e-9 * np.abs(expected).max()


def assert_twin(name: str, first: str, rule: str, seed: int = 0) -> None:
    model = network(name, seed)
    x = samples(model, seed)
    expected = [twin.explain(model.twin, row.numpy(), first=first, rule=rule) for row in x]
    assert_same(explainer(name, first, rule, seed).explain(x), np.stack(expected))


def assert_alike(model: nn.Module, others, first: str, rule: str) -> None:
    x = samples(model)
    expected = relevance(model, x, first, rule)
    for other in others:
        assert_same(relevance(shared(model, other), x, first, rule), expected)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_the_twin_reconstructs_as_the_network_does(name):
    model = network(name)
    for row in samples(model):
        expected = model(row[None])[0].detach().numpy()
        np.testing.assert_allclose(twin.reconstruction(model.twin, row.numpy()), expected)


@pytest.mark.parametrize(("first", "rule"), CHOICES)
@pytest.mark.parametrize("kind", KINDS)
def test_one_recurrent_layer_equals_the_twin(kind, first, rule):
    assert_twin(f"plain {kind}", first, rule, seed=CHOICES.index((first, rule)))


@pytest.mark.parametrize(("first", "rule"), [("z-box", "z-plus"), ("w2", "sign")])
@pytest.mark.parametrize("name", [name for name in NETWORKS if not name.startswith("plain")])
def test_larger_networks_equal_the_twin(name, first, rule):
    assert_twin(name, first, rule)


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_cells_in_a_loop_are_explained_as_the_layer_is(kind):
    model = network(f"plain {kind}")
    other = shared(model, Cells(kind))
    x = samples(model)
    assert_same(
        relevance(other, x, "w2", "sign"), explainer(f"plain {kind}", "w2", "sign").explain(x)
    )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("mix", MIXES)
def test_each_spelling_of_a_gru_is_explained_as_the_module_is(mix, rule):
    model = network("plain gru")
    other = shared(model, ByHand(MIXES[mix]))
    x = samples(model)
    expected = explainer("plain gru", "w2", rule).explain(x)
    assert_same(relevance(other, x, "w2", rule), expected)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("spelling", ["function", "hand"])
def test_each_spelling_of_attention_is_explained_as_the_module_is(spelling, heads, rule):
    model = network(f"attention {heads}")
    other = shared(model, Attention(spelling, heads))
    x = samples(model)
    expected = explainer(f"attention {heads}", "w2", rule).explain(x)
    assert_same(relevance(other, x, "w2", rule), expected)


@pytest.mark.parametrize("rule", RULES)
def test_a_signal_times_its_own_gate_is_silu(rule):
    model = Between(nn.SiLU()).double()
    assert_alike(model, [Between(lambda h: h * torch.sigmoid(h))], "z-box", rule)


@pytest.mark.parametrize("rule", RULES)
def test_layer_norm_by_hand_is_layer_norm(rule):
    other = Between(NormByHand()).double()
    norm = nn.LayerNorm(H)
    norm.load_state_dict({"weight": other.function.w, "bias": other.function.b})
    assert_alike(Between(norm).double(), [other], "z-box", rule)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_a_sample_alone_is_explained_as_in_a_batch(name):
    explained = explainer(name, "w2", "sign")
    x = samples(network(name))
    alone = torch.cat([explained.explain(row[None]) for row in x])
    assert_same(alone, explained.explain(x))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", list(NETWORKS))
def test_relevance_sums_to_the_error(name, rule):
    first = "w2" if rule == "sign" else "z-box"
    x = samples(network(name))
    total = explainer(name, first, rule).explain(x).flatten(1).sum(1)
    torch.testing.assert_close(total, Detector(network(name)).error(x), rtol=1e-9, atol=0)


@pytest.mark.parametrize(
    ("first", "signs"), [("w2", (-1, 1)), ("w2", (1,)), ("z-box", (1,)), ("z-plus", (1,))]
)
def test_the_step_that_an_lstm_remembers_wrongly_is_found(first, signs):
    model = Memory(4).double()
    x, causes = one_wrong_value(signs)
    found = relevance(model, x, first, "sign").numpy()
    largest = [np.unravel_index(row.argmax(), row.shape) for row in found]
    assert np.mean([a == b for a, b in zip(largest, causes, strict=True)]) >= 0.95


def test_maps_of_a_recurrent_layer_have_names_and_rules_of_their_own():
    model = nn.Sequential(Whole(nn.GRU(3, 4, num_layers=2, batch_first=True)), nn.Linear(4, 3))
    x = torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(0))
    explainer = explainers.create("lrp", Detector(model), layers=["0.layer.*=flat"]).explainer
    explainer.explain(x)
    named = {operation.name: rule for operation, rule in explainer.names.items()}
    assert named == {
        **{f"0.layer.{what}{k}": "flat" for k in (0, 1) for what in ("x", "h")},
        "1 (Linear)": "z-plus",
    }


def test_a_recurrent_layer_is_no_tied_one():
    model = Whole(nn.GRU(3, 3, batch_first=True))
    ledger = explainers.create("lrp", Detector(model), first="w2").ledger(torch.rand(2, 5, 3))
    assert math.isnan(ledger.tied)
    assert float(ledger.gap.max()) < 1e-4


class Whole(nn.Module):
    """A recurrent layer that returns its outputs alone."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)[0]


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_the_ledger_says_what_a_recurrent_layer_hands_on(kind):
    model = Started(kind).float().eval()
    x = torch.rand(3, T, C)
    ledger = explainers.create("lrp", Detector(model), first="w2").ledger(x)
    own = {layer.name: layer for layer in ledger.layers if layer.rule == "recurrent"}
    assert list(own) == [f"d ({kind.upper()})", f"r ({kind.upper()})"]
    for layer in own.values():
        torch.testing.assert_close(layer.handed_on, layer.received)
        assert bool((layer.contraction <= 1 + 1e-6).all())
    torch.testing.assert_close(own[f"d ({kind.upper()})"].received, ledger.error.double())


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_hook_that_looks_on_changes_nothing_and_one_that_interferes_is_refused(kind):
    model, x = Started(kind).float().eval(), torch.rand(3, T, C)
    expected = explainers.create("lrp", Detector(model), first="w2").explain(x)
    seen = []
    handle = model.r.register_forward_hook(lambda module, given, made: seen.append(made))
    found = explainers.create("lrp", Detector(model), first="w2").explain(x)
    torch.testing.assert_close(found, expected)
    assert seen
    handle.remove()
    model.r.register_forward_hook(lambda module, given, made: (made[0].flip(1), made[1]))
    with pytest.raises(SkipError):
        explainers.create("lrp", Detector(model), first="w2").explain(x)


def test_a_subclass_that_returns_something_else_is_followed():
    class Last(nn.LSTM):
        def forward(self, x):
            return super().forward(x)[0]

    model = nn.Sequential(Last(C, 4, batch_first=True), nn.Linear(4, C)).eval()
    x, detector = torch.rand(3, T, C), Detector(model)
    found = explainers.create("lrp", detector, first="w2").explain(x)
    torch.testing.assert_close(found.flatten(1).sum(1), detector.error(x))


def test_recurrent_networks_are_unrolled_for_many_windows_at_once():
    x, model = torch.rand(1, T, C), Started("gru").float().eval()
    explainer = explainers.create("lrp", Detector(model), first="w2").explainer
    explainer.explain(x)
    assert explainer._chunk_rows(x) >= LEAST_UNROLLED == 64
    explainer._rows.clear()
    explainer.detector.activation_bytes = lambda x: 2**28 // 16
    explainer.detector.chunk_rows = lambda x: 2
    assert explainer._chunk_rows(x) == 2  # gates and shares take eight times that room
