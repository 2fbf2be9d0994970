"""Layer-wise relevance propagation of a reconstruction error, one sample and one weight at a time.

A slow, obvious twin of the LRP explainer for fully connected autoencoders: every share is computed
in a loop.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def activate(name: str, value: float) -> float:
    """Value of one unit after its activation function."""
    if name == "relu":
        return max(0.0, value)
    if name == "sigmoid":
        return (
            1.0 / (1.0 + math.exp(-value))
            if value >= 0
            else math.exp(value) / (1.0 + math.exp(value))
        )
    if name == "tanh":
        return math.tanh(value)
    if name == "identity":
        return value
    raise ValueError(f"unknown activation {name!r}: relu, sigmoid, tanh or identity")


def forward(
    weights: Sequence[Array], biases: Sequence[Array], activations: Sequence[str], x: Array
) -> list[Array]:
    """Inputs of every layer and, last, the reconstruction: a[0] is x, a[-1] is x_hat."""
    layers = [np.asarray(x, dtype=np.float64)]
    for weight, bias, activation in zip(weights, biases, activations, strict=True):
        a = np.zeros(len(weight))
        for k in range(len(weight)):
            value = float(bias[k])
            for i in range(len(layers[-1])):
                value += float(weight[k][i]) * float(layers[-1][i])
            a[k] = activate(activation, value)
        layers.append(a)
    return layers


def output_relevance(x: Array, x_hat: Array, loss: str) -> Array:
    """Relevance of the output units: (x - x_hat)^2 / m for 'l2' (Eq. 13), |x - x_hat| / m for 'l1'
    (Eq. 14).
    """
    m = len(x)
    relevance = np.zeros(m)
    for i in range(m):
        difference = float(x[i]) - float(x_hat[i])
        if loss == "l2":
            relevance[i] = difference**2 / m
        elif loss == "l1":
            relevance[i] = abs(difference) / m
        else:
            raise ValueError(f"unknown loss {loss!r}: l1 or l2")
    return relevance


def contribution(rule: str, a: float, w: float, low: float, high: float) -> float:
    """Contribution z_ik of one input to one unit; it takes the place of a_i w_ik in Eq. 5.

    z-plus: a+ w+ + a- w- (Montavon et al. 2019, inputs of either sign). w2: w^2. z-box: a w - l w+
    - h w- (Montavon et al. 2017), where an input outside [l, h] widens its own box.
    """
    if rule == "z-plus":
        return max(0.0, a * w)
    if rule == "w2":
        return w**2
    if rule == "z-box":
        low, high = min(low, a), max(high, a)
        return a * w - low * max(0.0, w) - high * min(0.0, w)
    raise ValueError(f"unknown rule {rule!r}: z-plus, w2 or z-box")


def shares(rule: str, a: Array, w: Array, low: Array, high: Array, largest: float) -> Array:
    """Share z_ik / sum_h z_hk of unit k's relevance that each input receives (Eq. 5, the sum over
    all h).

    Without any contribution the shares are what max(a, d) (w+ + d w^2 / largest) leaves to first
    order in a small d; without that w_ik^2 / sum_h w_hk^2; without any weight, 1 / n_in: all sum to
    one.
    """
    n_in = len(a)
    z = [
        contribution(rule, float(a[i]), float(w[i]), float(low[i]), float(high[i]))
        for i in range(n_in)
    ]
    if sum(z) == 0 and rule != "w2":
        start = [
            float(a[i]) - (min(float(low[i]), float(a[i])) if rule == "z-box" else 0.0)
            for i in range(n_in)
        ]
        z = [
            start[i] * w[i] ** 2 / largest if start[i] > 0 else max(0.0, float(w[i]))
            for i in range(n_in)
        ]
    if sum(z) == 0:
        z = [float(w[i]) ** 2 for i in range(n_in)]
    if sum(z) == 0:
        z = [1.0] * n_in
    return np.array([z[i] / sum(z) for i in range(n_in)])


def propagate(
    rule: str, a: Array, weight: Array, relevance: Array, low: Array, high: Array
) -> Array:
    """Relevance of a layer's inputs: R_i = sum_k R_k share_ik (Eq. 1). Biases take no part."""
    received = np.zeros(len(a))
    for k in range(len(weight)):
        share = shares(rule, a, weight[k], low, high, float(np.abs(weight).max()))
        for i in range(len(a)):
            received[i] += relevance[k] * share[i]
    return received


def explain(
    weights: Sequence[Array],
    biases: Sequence[Array],
    activations: Sequence[str],
    x: Array,
    *,
    loss: str,
    first: str,
    rule: str = "z-plus",
    low: ArrayLike = 0.0,
    high: ArrayLike = 1.0,
) -> Array:
    """Relevance (M,) of the input features for the reconstruction error of one sample (Sec. 3.4,
    Eq. 1-5, 13, 14).

    Parameters
    ----------
    weights, biases, activations
        One of each per layer: (n_out, n_in), (n_out,), and 'relu', 'sigmoid', 'tanh' or 'identity'.
    x
        The sample, (M,).
    loss
        'l1' or 'l2': the reconstruction error e(x, x_hat) to explain.
    first
        Rule of the first layer: 'w2', 'z-box' or 'z-plus'.
    rule
        Rule of all other layers: 'z-plus' or 'w2'. The box is one of features, so 'z-box' is for
        the first only.
    low, high
        Bounds of the features for 'z-box': one number, or one per feature.

    Returns
    -------
    Relevance (M,), which sums to e(x, x_hat) (Eq. 4).
    """
    if rule == "z-box":
        raise ValueError(
            "z-box needs the bounds of the features: it is a rule of the first layer only"
        )
    layers = forward(weights, biases, activations, x)
    relevance = output_relevance(layers[0], layers[-1], loss)
    for index in reversed(range(len(weights))):
        a = layers[index]
        # Bounds belong to the features; other layers have none, and their rules do not read them.
        lows = (
            np.broadcast_to(np.asarray(low, dtype=np.float64), a.shape)
            if index == 0
            else np.zeros(a.shape)
        )
        highs = (
            np.broadcast_to(np.asarray(high, dtype=np.float64), a.shape)
            if index == 0
            else np.ones(a.shape)
        )
        relevance = propagate(
            first if index == 0 else rule, a, weights[index], relevance, lows, highs
        )
    return relevance
