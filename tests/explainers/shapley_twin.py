"""Shapley values, the KernelSHAP regression and integrated gradients by definition, for one sample
of few features.

Slow, obvious twins of the explainers that estimate them: every coalition, background row and step
is a loop, float64.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Function = Callable[[Array], Array]  # rows (R, M) to one value a row, (R,)
Model = Callable[[Array], Array]  # rows (R, M) to their reconstructions, (R, M)


def value(f: Function, x: Array, background: Array, coalition: Collection[int]) -> float:
    """v(S), the mean over background rows b of f(x_S, b_{not S}) (Lundberg and Lee 2017, Eq. 9 and
    11).
    """
    total = 0.0
    for b in background:
        row = np.array(b, dtype=np.float64)
        for i in coalition:
            row[i] = x[i]
        total += float(f(row[None])[0])
    return total / len(background)


def exact_shapley(f: Function, x: Array, background: Array) -> Array:
    """φ_i = Σ_{S without i} |S|! (M−|S|−1)! / M! (v(S ∪ i) − v(S)), all 2^M coalitions (Shapley
    1953; M ≤ 10).
    """
    m = len(x)
    if m > 10:
        raise ValueError(f"{m} features: enumeration is for at most 10")
    v = {
        S: value(f, x, background, S)
        for size in range(m + 1)
        for S in itertools.combinations(range(m), size)
    }
    phi = np.zeros(m)
    for i in range(m):
        for S in v:
            if i not in S:
                weight = math.factorial(len(S)) * math.factorial(m - len(S) - 1) / math.factorial(m)
                phi[i] += weight * (v[tuple(sorted((*S, i)))] - v[S])
    return phi


def coalitions(m: int) -> NDArray[np.bool_]:
    """Return every coalition but the empty and the full one, (2^M − 2, M); True where a feature
    takes part.
    """
    masks = list(itertools.product([False, True], repeat=m))
    return np.array([mask for mask in masks if 0 < sum(mask) < m])


def kernel_weights(m: int, size: int) -> float:
    """Weight of one coalition of this size: (M−1) / (C(M,s) s (M−s)) (Lundberg and Lee 2017,
    Theorem 2).
    """
    return (m - 1) / (math.comb(m, size) * size * (m - size))


def weighted_regression(
    masks: NDArray[np.bool_], weights: Array, values: Array, v_empty: float, v_full: float
) -> Array:
    """φ that minimises Σ_k w_k (v_k − v(∅) − Σ_{i in S_k} φ_i)² where Σ φ = v(all) − v(∅) (Theorem
    2, Eq. 5).

    Its optimum solves the Karush-Kuhn-Tucker system [ZᵀWZ 1; 1ᵀ 0] [φ; λ] = [ZᵀW(v − v(∅)); v(all)
    − v(∅)]. Raises `numpy.linalg.LinAlgError` where the coalitions do not determine φ.
    """
    m = masks.shape[1]
    system, right = np.zeros((m + 1, m + 1)), np.zeros(m + 1)
    for mask, weight, v in zip(masks, weights, values, strict=True):
        for i in np.flatnonzero(mask):
            right[i] += weight * (v - v_empty)
            for j in np.flatnonzero(mask):
                system[i, j] += weight
    system[:m, m] = system[m, :m] = 1.0
    right[m] = v_full - v_empty
    return np.linalg.solve(system, right)[:m]


def full_factorial(levels: Sequence[Sequence[float]]) -> Array:
    """Return every combination of the features' levels, one row each: features that are exactly
    independent.

    A level that is given twice counts twice.
    """
    return np.array(list(itertools.product(*levels)), dtype=np.float64)


def quadratic(Q: Array, c: Array, k: float, z: Array) -> float:
    """q(z) = zᵀQz + cᵀz + k of one row."""
    total = float(k)
    for i in range(len(z)):
        total += float(c[i]) * float(z[i])
        for j in range(len(z)):
            total += float(Q[i, j]) * float(z[i]) * float(z[j])
    return total


def linear_error(A: Array, bias: Array) -> tuple[Array, Array, float]:
    """Q, c, k of e(z) = ‖z − ẑ‖² / m where ẑ = A z + bias: with R = I − A it is ‖R z − bias‖² / m.

    Q = RᵀR / m, c = −2 Rᵀ bias / m, k = biasᵀ bias / m.
    """
    m = len(bias)
    R = np.eye(m) - A
    return R.T @ R / m, -2 * R.T @ bias / m, float(bias @ bias) / m


def quadratic_shapley(Q: Array, c: Array, x: Array, background: Array) -> Array:
    """Shapley values of q(z) = zᵀQz + cᵀz + k where the background's features are independent.

    Shapley values are linear in the game, and each term of q is a game of one or of two features.
    With means μ of the background: c_i z_i gives c_i (x_i − μ_i), Q_ii z_i² gives Q_ii (x_i² − E
    b_i²). In the game z_i z_j a missing feature counts as its mean (E b_i b_j = μ_i μ_j), so i
    earns (x_i − μ_i) μ_j if it comes first and (x_i − μ_i) x_j if it comes last, on average ½ (x_i
    − μ_i)(x_j + μ_j). With both orders of the pair in q:

    φ_i = c_i (x_i − μ_i) + Q_ii (x_i² − E b_i²) + Σ_{j≠i} ½ (Q_ij + Q_ji) (x_i − μ_i)(x_j + μ_j).
    """
    m = len(x)
    mean, square = np.mean(background, axis=0), np.mean(background**2, axis=0)
    phi = np.zeros(m)
    for i in range(m):
        phi[i] = c[i] * (x[i] - mean[i]) + Q[i, i] * (x[i] ** 2 - square[i])
        for j in range(m):
            if j != i:
                phi[i] += (Q[i, j] + Q[j, i]) / 2 * (x[i] - mean[i]) * (x[j] + mean[j])
    return phi


def integrated_gradients(
    gradient: Callable[[Array], Array], x: Array, baseline: Array, steps: int
) -> Array:
    """IG_i = (x_i − x'_i) ∫₀¹ ∂_i f(x' + α (x − x')) dα (Sundararajan et al. 2017, Eq. 1) by the
    midpoint rule.

    Their Eq. 3 takes the right end of every step, α = k / steps, and errs like 1 / steps; the
    midpoint, α = (k − ½) / steps, errs like 1 / steps².
    """
    total = np.zeros(len(x))
    for k in range(1, steps + 1):
        alpha = (k - 0.5) / steps
        total += gradient(baseline + alpha * (x - baseline))
    return (x - baseline) * total / steps


def quadratic_integrated_gradients(Q: Array, c: Array, x: Array, baseline: Array) -> Array:
    """Integrated gradients of q(z) = zᵀQz + cᵀz + k: its gradient (Q + Qᵀ) z + c is linear, so its
    mean over the straight path is its value halfway: IG_i = (x_i − x'_i) (½ (Q + Qᵀ)(x + x') +
    c)_i.
    """
    m = len(x)
    result = np.zeros(m)
    for i in range(m):
        mean_gradient = float(c[i])
        for j in range(m):
            mean_gradient += (Q[i, j] + Q[j, i]) / 2 * (x[j] + baseline[j])
        result[i] = (x[i] - baseline[i]) * mean_gradient
    return result


def by_error(x: Array, x_hat: Array) -> list[int]:
    """All features, highest |x_i − x̂_i| first (ErrorList of Antwarg et al. 2021); equal errors by
    index.
    """
    return sorted(range(len(x)), key=lambda i: (-abs(float(x[i]) - float(x_hat[i])), i))


def worst_features(x: Array, x_hat: Array, share: float) -> list[int]:
    """Return topMfeatures of Antwarg et al. (2021): the worst features that hold this share of the
    error, worst first.

    m is the least count with Σ_{top m} (x_i − x̂_i)² ≥ share · L, where L = Σ (x_i − x̂_i)², and is
    at least 1.
    """
    order = by_error(x, x_hat)
    for m in range(1, len(x)):
        if sum((x[i] - x_hat[i]) ** 2 for i in order[:m]) >= share * sum((x - x_hat) ** 2):
            return order[:m]
    return order


def output_shap(model_output: Model, x: Array, background: Array, top: int) -> dict[int, Array]:
    """SHAP values (M,) of each of the `top` worst reconstructed outputs x̂_i, worst first (Antwarg
    et al., Alg. 1).

    Each explains the single output x̂_i by all M inputs, x_i itself among them.
    """
    x_hat = model_output(x[None])[0]
    found = {}
    for i in by_error(x, x_hat)[:top]:

        def output(rows: Array, i: int = i) -> Array:
            return model_output(rows)[:, i]

        found[i] = exact_shapley(output, x, background)
    return found


def contribution(shap: Array, x_i: float, x_hat_i: float) -> Array:
    """SHAP values of output x̂_i with the sign that makes contributing positive, offsetting
    negative (Alg. 2).

    An input contributes where it pushes the reconstruction away from the true value: if x_i > x̂_i,
    a negative SHAP value contributes and a positive one offsets; else (x_i ≤ x̂_i) a positive one
    contributes, a negative one offsets.
    """
    return -shap if x_i > x_hat_i else shap


def per_feature_shap(model_output: Model, x: Array, background: Array, top: int) -> Array:
    """Contributions to the `top` worst reconstructed features, summed: φ_j = Σ_{i in top} s_i
    φ_j(x̂_i).

    s_i = −1 if x_i > x̂_i, else +1 (`contribution`), φ_j(x̂_i) the Shapley value of input j for
    output i (`output_shap`). As s_i (x̂_i − x_i) = |x_i − x̂_i|, it explains Σ_{i in top} |x_i −
    x̂_i| with the targets x_i and the signs s_i fixed: Σ_j φ_j = Σ_{i in top} s_i (x̂_i − E
    x̂_i(b)).

    What the method of Antwarg, Miller, Shapira and Rokach ("Explaining anomalies detected by
    autoencoders using Shapley Additive Explanations", Expert Systems with Applications 186, 115736,
    2021; arXiv 1903.02407) is, and is not, by the authors' program
    (ronniemi/explainAnomaliesUsingSHAP) and by readers' accounts of Algorithms 1 and 2:

    - which outputs: the m worst, where m covers a share of the error (`worst_features`). The share
    is the user's; the
      authors' program takes 0.5; the first version of the paper is said to advise 0.8.
    - what is explained: the output x̂_i, not the error, by KernelSHAP (the authors' program: the
    first 200 training
      rows, nsamples "auto"). The first version is said to set the weights that leave input i to
      zero, so that no feature explains itself; the later Algorithm 1 and the authors' program keep
      them, and so do we.
    - signs: `contribution`. An outlier often *offsets* its own error, as it pulls its own
    reconstruction along. The sum
      above may thus rank the culprit last; the two functions below do not.
    - combination: the paper adds nothing up. It shows one table for each explained feature, and
    scores the ordered set
      of `explaining_features`. A sum, with signs (here) or of magnitudes (`per_feature_magnitude`),
      is this benchmark's reading.
    """
    x_hat = model_output(x[None])[0]
    total = np.zeros(len(x))
    for i, shap in output_shap(model_output, x, background, top).items():
        total += contribution(shap, float(x[i]), float(x_hat[i]))
    return total


def per_feature_magnitude(model_output: Model, x: Array, background: Array, top: int) -> Array:
    """Σ_{i in top} |φ_j(x̂_i)|: how strongly input j moves the worst outputs, contributing or
    offsetting.
    """
    total = np.zeros(len(x))
    for shap in output_shap(model_output, x, background, top).values():
        total += np.abs(shap)
    return total


def explaining_features(model_output: Model, x: Array, background: Array, top: int) -> list[int]:
    """Return the ordered set that the authors score: no signs, no sums.

    For each of the `top` worst features, worst first: the feature itself, then the inputs with
    |φ_j| above the mean of |φ| over all inputs (`SHAPvaluesSelection` = mean), highest first; a
    feature that is in the set stays where it is.
    """
    features: list[int] = []
    for i, shap in output_shap(model_output, x, background, top).items():
        size = [abs(float(phi)) for phi in shap]
        above = [j for j in range(len(x)) if size[j] > sum(size) / len(size)]
        for j in [i, *sorted(above, key=lambda j: (-size[j], j))]:
            if j not in features:
                features.append(j)
    return features
