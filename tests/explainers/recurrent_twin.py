"""Layer-wise relevance propagation through recurrent and attention networks, one vector at a time.

A slow, obvious twin of the LRP explainer: the forward pass writes on a tape how each of its values
hands relevance on, and the tape is read backwards. Relevance is that of one sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tests.explainers import lrp_twin

Array = NDArray[np.float64]
Weights = Mapping[str, Array]


@dataclass
class Signal:
    """One vector of the network and its relevance; a constant takes none."""

    value: Array
    constant: bool = False
    features: bool = False
    relevance: Array = field(init=False)

    def __post_init__(self) -> None:
        self.relevance = np.zeros(len(self.value))


@dataclass
class Tape:
    """The rules of the maps, and the steps that hand relevance from a value to its causes."""

    first: str
    rule: str
    steps: list[Callable[[], None]] = field(default_factory=list)

    def rule_of(self, signal: Signal) -> str:
        """Rule of a map: `first` where it reads x directly, `rule` elsewhere."""
        return self.first if signal.features else self.rule

    def constant(self, n: int) -> Signal:
        """A vector of zeros that takes no relevance."""
        return Signal(np.zeros(n), constant=True)

    def linear(self, s: Signal, weight: Array, bias: Array) -> Signal:
        """y_k = sum_i w_ik s_i + b_k; R_i = sum_k R_k z_ik / sum_h z_hk."""
        y = Signal(affine(weight, s.value, bias), constant=s.constant)

        def back() -> None:
            if s.constant:
                return
            largest = float(np.abs(weight).max())
            for k in range(len(weight)):
                share = map_shares(self.rule_of(s), s.value, weight[k], largest)
                for i in range(len(s.value)):
                    s.relevance[i] += y.relevance[k] * share[i]

        return self._then(y, back)

    def add(self, a: Signal, b: Signal) -> Signal:
        """y = a + b: the parts that have the sign of y share; a constant takes nothing."""
        y = Signal(a.value + b.value, constant=a.constant and b.constant)

        def back() -> None:
            for i in range(len(y.value)):
                share = part_of_sum(a, b, i)
                a.relevance[i] += y.relevance[i] * share
                b.relevance[i] += y.relevance[i] * (1.0 - share)

        return self._then(y, back)

    def passed(self, s: Signal, value: Array) -> Signal:
        """What an activation, a gate or a norm makes of a signal: R_s = R_y."""
        y = Signal(value, constant=s.constant)

        def back() -> None:
            for i in range(len(value)):
                s.relevance[i] += y.relevance[i]

        return self._then(y, back)

    def gated(self, gate: Array, s: Signal) -> Signal:
        """y = gate * s: the gate is a constant, the signal takes all."""
        return self.passed(s, gate * s.value)

    def average(self, a: Array, values: Sequence[Signal]) -> Signal:
        """y = sum_j a_j v_j: R_j = R a_j v_j^s / sum_k a_k v_k^s, where v^s has the sign of y."""
        y = Signal(np.array([mean_of(a, values, c) for c in range(len(values[0].value))]))

        def back() -> None:
            for c in range(len(y.value)):
                parts = [a[j] * signed(v.value[c], y.value[c]) for j, v in enumerate(values)]
                for j in range(len(values)):
                    values[j].relevance[c] += y.relevance[c] * parts[j] / sum(parts)

        return self._then(y, back)

    def joined(self, parts: Sequence[Signal]) -> Signal:
        """The values of several vectors, one after the other."""
        y = Signal(np.concatenate([part.value for part in parts]))

        def back() -> None:
            start = 0
            for part in parts:
                part.relevance += y.relevance[start : start + len(part.value)]
                start += len(part.value)

        return self._then(y, back)

    def piece(self, s: Signal, start: int, stop: int) -> Signal:
        """The values from start to stop of a vector."""
        y = Signal(s.value[start:stop].copy(), constant=s.constant)

        def back() -> None:
            s.relevance[start:stop] += y.relevance

        return self._then(y, back)

    def _then(self, y: Signal, back: Callable[[], None]) -> Signal:
        self.steps.append(back)
        return y


Network = Callable[[Tape, list[Signal]], list[Signal]]


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return np.array([lrp_twin.activate("sigmoid", float(value)) for value in x])


def softmax(x: Array) -> Array:
    """exp(x_i) / sum_k exp(x_k)."""
    powers = np.exp(x - x.max())
    return powers / powers.sum()


def affine(weight: Array, x: Array, bias: Array) -> Array:
    """sum_i w_ik x_i + b_k, one k at a time."""
    y = np.zeros(len(weight))
    for k in range(len(weight)):
        y[k] = bias[k]
        for i in range(len(x)):
            y[k] += weight[k][i] * x[i]
    return y


def map_shares(rule: str, x: Array, w: Array, largest: float) -> Array:
    """Share z_ik / sum_h z_hk of each input of one unit, with the box [0, 1] for z-box."""
    if rule != "sign":
        return lrp_twin.shares(rule, x, w, np.zeros(len(x)), np.ones(len(x)), largest)
    parts = [float(x[i] * w[i]) for i in range(len(x))]
    z = [signed(part, 1.0 if sum(parts) >= 0 else -1.0) for part in parts]
    if sum(z) == 0:
        raise ValueError("the twin has no fallback of the sign rule: give it other inputs")
    return np.array(z) / sum(z)


def signed(value: float, total: float) -> float:
    """Size of a value that has the sign of the total, else 0; its size where the total is 0."""
    if total > 0:
        return max(0.0, value)
    return max(0.0, -value) if total < 0 else abs(value)


def part_of_sum(a: Signal, b: Signal, i: int) -> float:
    """Share of a_i in the relevance of a_i + b_i."""
    if a.constant or b.constant:
        return 0.0 if a.constant else 1.0
    total = a.value[i] + b.value[i]
    sizes = signed(a.value[i], total), signed(b.value[i], total)
    return sizes[0] / sum(sizes) if sum(sizes) > 0 else 0.5


def mean_of(a: Array, values: Sequence[Signal], c: int) -> float:
    """sum_j a_j v_jc."""
    total = 0.0
    for j in range(len(values)):
        total += a[j] * values[j].value[c]
    return total


def rows(weights: Weights, kind: str, end: str, k: int) -> tuple[Array, Array]:
    """Weight and bias of the k-th gate in torch's stacked matrices: kind 'ih' or 'hh'."""
    n = weights[f"weight_hh{end}"].shape[1]
    part = slice(k * n, (k + 1) * n)
    return weights[f"weight_{kind}{end}"][part], weights[f"bias_{kind}{end}"][part]


def gate(weights: Weights, end: str, k: int, x: Array, h: Array) -> Array:
    """sigma(W x + b + U h + b')."""
    inputs, state = rows(weights, "ih", end, k), rows(weights, "hh", end, k)
    return sigmoid(affine(inputs[0], x, inputs[1]) + affine(state[0], h, state[1]))


def gru_step(tape: Tape, weights: Weights, end: str, x: Signal, h: Signal) -> Signal:
    """h' = (1 - z) n + z h with n = tanh(W x + b + r (U h + b'))."""
    r, z = (gate(weights, end, k, x.value, h.value) for k in (0, 1))
    a = tape.linear(x, *rows(weights, "ih", end, 2))
    q = tape.gated(r, tape.linear(h, *rows(weights, "hh", end, 2)))
    total = tape.add(a, q)
    n = tape.passed(total, np.tanh(total.value))
    return tape.add(tape.gated(1.0 - z, n), tape.gated(z, h))


def lstm_step(
    tape: Tape, weights: Weights, end: str, x: Signal, h: Signal, c: Signal
) -> tuple[Signal, Signal]:
    """c' = f c + i tanh(W x + b + U h + b') and h' = o tanh(c')."""
    i, f, o = (gate(weights, end, k, x.value, h.value) for k in (0, 1, 3))
    a = tape.linear(x, *rows(weights, "ih", end, 2))
    total = tape.add(a, tape.linear(h, *rows(weights, "hh", end, 2)))
    g = tape.passed(total, np.tanh(total.value))
    c = tape.add(tape.gated(f, c), tape.gated(i, g))
    return tape.gated(o, tape.passed(c, np.tanh(c.value))), c


def rnn_step(
    tape: Tape, weights: Weights, end: str, x: Signal, h: Signal, activation: str
) -> Signal:
    """h' = act((W x + b) + (U h + b'))."""
    a = tape.linear(x, *rows(weights, "ih", end, 0))
    total = tape.add(a, tape.linear(h, *rows(weights, "hh", end, 0)))
    return tape.passed(total, np.array([lrp_twin.activate(activation, v) for v in total.value]))


def recurrent(
    tape: Tape,
    kind: str,
    weights: Weights,
    end: str,
    xs: Sequence[Signal],
    state: tuple[Signal, Signal] | None = None,
) -> tuple[list[Signal], tuple[Signal, Signal]]:
    """Outputs of one layer, and its last (h, c): kind 'gru', 'lstm', 'tanh' or 'relu'."""
    n = weights[f"weight_hh{end}"].shape[1]
    h, c = state or (tape.constant(n), tape.constant(n))
    outputs = []
    for x in xs:
        if kind == "lstm":
            h, c = lstm_step(tape, weights, end, x, h, c)
        elif kind == "gru":
            h = gru_step(tape, weights, end, x, h)
        else:
            h = rnn_step(tape, weights, end, x, h, kind)
        outputs.append(h)
    return outputs, (h, c)


def two_ways(
    tape: Tape, kind: str, weights: Weights, end: str, xs: Sequence[Signal]
) -> list[Signal]:
    """Outputs of a bidirectional layer: those of the way there, then those of the way back."""
    there, _ = recurrent(tape, kind, weights, end, xs)
    back, _ = recurrent(tape, kind, weights, f"{end}_reverse", xs[::-1])
    return [tape.joined(pair) for pair in zip(there, back[::-1], strict=True)]


def attention(
    tape: Tape,
    queries: Sequence[Array],
    keys: Sequence[Array],
    values: Sequence[Signal],
) -> list[Signal]:
    """y_i = sum_j softmax_j(q_i k_j / sqrt(d)) v_j of one head; the weights are constants."""
    outputs = []
    for q in queries:
        scores = np.array([float(q @ k) / np.sqrt(len(q)) for k in keys])
        outputs.append(tape.average(softmax(scores), values))
    return outputs


def multihead(tape: Tape, weights: Weights, heads: int, xs: Sequence[Signal]) -> list[Signal]:
    """Self attention by nn.MultiheadAttention's weights: each head by itself, then the map out."""
    width = len(xs[0].value)
    stacks = np.split(weights["in_proj_weight"], 3), np.split(weights["in_proj_bias"], 3)
    maps = list(zip(*stacks, strict=True))
    queries, keys = ([affine(maps[k][0], x.value, maps[k][1]) for x in xs] for k in (0, 1))
    values = [tape.linear(x, *maps[2]) for x in xs]
    found = []
    for start in range(0, width, width // heads):
        end = start + width // heads
        pieces = [tape.piece(v, start, end) for v in values]
        found.append(
            attention(tape, [q[start:end] for q in queries], [k[start:end] for k in keys], pieces)
        )
    out = weights["out_proj.weight"], weights["out_proj.bias"]
    return [tape.linear(tape.joined(parts), *out) for parts in zip(*found, strict=True)]


def reconstruction(network: Network, x: Array) -> Array:
    """x_hat (T, C) of one sample (T, C)."""
    return np.stack([y.value for y in network(Tape("w2", "z-plus"), [Signal(row) for row in x])])


def explain(network: Network, x: Array, *, first: str, rule: str) -> Array:
    """Relevance (T, C) of one sample: R = (x - x_hat)^2 / m at the output, then back over the
    tape.
    """
    tape = Tape(first, rule)
    xs = [Signal(np.array(row, dtype=np.float64), features=True) for row in x]
    outputs = network(tape, xs)
    m = sum(len(row) for row in x)
    for row, y in zip(x, outputs, strict=True):
        for i in range(len(row)):
            y.relevance[i] += (row[i] - y.value[i]) ** 2 / m
    for back in reversed(tape.steps):
        back()
    return np.stack([s.relevance for s in xs])
