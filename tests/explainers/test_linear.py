"""Every explainer beside what it should say of a linear autoencoder, in closed form or by a law.

With P = I − W, a projection, m columns and d = x − ½ the error is e = dᵀ P d / m, of which all else
follows: see the data set `linear-autoencoder`. P is written here once more, block by block.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from aexbench import Detector, SkipError, datasets, explainers
from tests.explainers.test_acme_ad import importance

Floats = NDArray[np.float64]
DATA = datasets.create("linear-autoencoder")
M, FREE, FIXED, EQUAL = 12, 9, [10, 11], [0, 1, 2, 3]
NORMAL = DATA.train[:30].astype(np.float64)
MEAN = NORMAL.mean(axis=0)
KIND = DATA.test_kinds == "one"
ROWS = np.array([np.flatnonzero(KIND & DATA.test_truth[:, i])[0] for i in range(M) if i != FREE])
CAUSE = DATA.test_truth[ROWS].argmax(axis=1)
X = DATA.test[ROWS].astype(np.float64)


# Four columns are equal; three go by 1, −1, ½; two by 1, ½; one is free; two are fixed.
BLOCKS = [[0, 1, 2, 3], [4, 5, 6], [7, 8], [9]]
LOADINGS = [np.ones(4), np.array([1, -1, 0.5]), np.array([1, 0.5]), np.ones(1)]


def directions() -> Floats:
    """A (M, 4), orthonormal: what the network keeps."""
    A = np.zeros((M, 4))
    for number, (columns, a) in enumerate(zip(BLOCKS, LOADINGS, strict=True)):
        A[columns, number] = a / np.sqrt(a @ a)
    return A


A = directions()
P = np.eye(M) - A @ A.T


def detector() -> Detector:
    """Return the data set's own, with its weights exact in float64."""
    made = DATA.detector()
    weights = (A.T, -A.T @ np.full(M, 0.5), A, np.full(M, 0.5))
    model = copy.deepcopy(made.model).double()
    for parameter, exact in zip(model.parameters(), weights, strict=True):
        torch.testing.assert_close(parameter, torch.as_tensor(exact), rtol=1e-6, atol=1e-6)
        parameter.copy_(torch.as_tensor(exact))
    return made.with_model(model)


def explained(text: str, x: Floats = X, normal: Floats = NORMAL, **given: object) -> Floats:
    made = explainers.create(text, detector(), background=normal, **given)
    return made.explain(torch.as_tensor(x)).numpy()


def error(x: Floats) -> Floats:
    d = x - 0.5
    return np.einsum("ni,ij,nj->n", d, P, d) / M


# Closed forms, each a function of samples.


def residual(x: Floats) -> Floats:
    return ((x - 0.5) @ P) ** 2 / M


def standardised(x: Floats) -> Floats:
    normal = residual(NORMAL)
    return (residual(x) - normal.mean(axis=0)) / np.maximum(normal.std(axis=0), 1e-6 / M)


def gradient(x: Floats) -> Floats:
    return 2 * (x - 0.5) @ P / M


def path(x: Floats, b: Floats) -> Floats:
    """Integrated gradients from b: the gradient half-way, as it is linear. DeepLIFT's slopes and
    the Shapley values of a quadratic game, where each pair of players shares what it has together,
    are the same.
    """
    return (x - b) * ((x + b - 1) @ P) / M


def shapley(x: Floats, background: Floats = NORMAL) -> Floats:
    return np.mean([path(x, b) for b in background], axis=0)


def fall(x: Floats, value: Floats) -> Floats:
    """By how much the error falls where one column alone takes a value."""
    q = x - value
    return (2 * q * ((x - 0.5) @ P) - q**2 * P.diagonal()) / M


def told_by_others(x: Floats) -> Floats:
    found = np.zeros_like(x)
    for i in range(M):
        others = np.arange(M) != i
        ridge = Ridge(alpha=1e-3 * len(NORMAL)).fit(NORMAL[:, others], NORMAL[:, i])
        found[:, i] = ridge.predict(x[:, others])
    return found


def nearest(x: Floats) -> Floats:
    return NORMAL[((x[:, None] - NORMAL) ** 2).sum(axis=2).argmin(axis=1)]


def searched(x: Floats) -> Floats:
    """The best of the third of 30 values of a column, of the ninth, …"""
    ordered = np.sort(NORMAL, axis=0)
    return np.max([fall(x, ordered[k]) for k in (2, 8, 14, 20, 26)], axis=0)


def acme(x: Floats) -> Floats:
    """Scores from the errors in closed form: e less its fall, at each of 50 levels."""
    threshold = np.quantile(error(NORMAL), 0.95)
    ordered, levels = np.sort(NORMAL, axis=0), np.arange(50) / 49
    values = ordered[np.maximum(np.ceil(levels * len(NORMAL)).astype(int) - 1, 0)]
    errors = error(x)[:, None, None] - np.array([fall(x, value) for value in values]).swapaxes(0, 1)
    own = np.array([(row > NORMAL).mean(axis=0) + (row >= NORMAL).mean(axis=0) for row in x]) / 2
    away = np.abs(levels[:, None] - own[:, None])
    scores, score = errors / (errors + threshold), error(x) / (error(x) + threshold)
    return np.array(
        [
            [importance(score[n], scores[n, :, i], away[n, :, i]) for i in range(M)]
            for n in range(len(x))
        ]
    )


def ridge_compensation(x: Floats) -> Floats:
    """Squares alone in the prior: (s² P / σ² + l2 I) u = −s P d / σ², and P is a projection."""
    variance, s = error(NORMAL).mean(), 12**-0.5
    return np.abs((x - 0.5) @ P) * s / (s**2 + 0.1 * variance)


def reconstructions(x: Floats) -> Floats:
    """Shapley values W_ij (x_j − mean_j) of the worst x̂_i, which have half of the squared error."""
    moved = np.abs((np.eye(M) - P)[:, :, None] * (x - MEAN).T[None])  # (i, j, n)
    squares = residual(x)
    order = np.argsort(-squares, axis=1)
    found = np.zeros_like(x)
    for n, row in enumerate(order):
        reached = 0.0
        for i in row:
            if reached >= 0.5 * squares[n].sum():
                break
            found[n] += moved[i, :, n]
            reached += squares[n, i]
    return found


def off_components(x: Floats, variance: float) -> Floats:
    """What as few principal components leave as explain a share of the variance."""
    _, spreads, directions = np.linalg.svd(NORMAL - MEAN)
    shares = np.cumsum(spreads**2) / (spreads**2).sum()
    kept = directions[: 1 + int((shares < variance).sum())]
    return ((x - MEAN) @ (np.eye(M) - kept.T @ kept)) ** 2 / M


def relevance(x: Floats, share: Callable[[Floats, Floats], Floats], unreached: Floats) -> Floats:
    """LRP: a block's hidden unit takes what its columns are missed by, and its part of what the
    fixed ones are, to which no unit leads; each column then takes its share of its unit.
    """
    error_map, found = residual(x), np.zeros_like(x)
    for number, (columns, a) in enumerate(zip(BLOCKS, LOADINGS, strict=True)):
        unit = error_map[:, columns].sum(axis=1)
        unit += error_map[:, FIXED].sum(axis=1) * unreached[:, number]
        found[:, columns] = unit[:, None] * share(x[:, columns], a)
    return found


def alike(x: Floats) -> Floats:
    return np.full((len(x), 4), 1 / 4)


def by_activation(x: Floats) -> Floats:
    """Of the rules for positive parts: what is not reached goes where units are active, and to all
    alike where none is.
    """
    active = np.maximum((x - 0.5) @ A, 1e-30)
    return active / active.sum(axis=1, keepdims=True)


def z_share(x: Floats, a: Floats) -> Floats:
    """z_i / Σ z of z = x a: Bach et al. 2015, Eq. (56), without its bias."""
    return x * a / (x @ a)[:, None]


def weight_share(x: Floats, a: Floats) -> Floats:
    return np.broadcast_to(a**2 / (a @ a), x.shape)


CLOSED: dict[str, Callable[[Floats], Floats]] = {
    "acme-ad": acme,
    "arcana[alpha=0]": lambda x: np.abs((x - 0.5) @ P),  # x̂ − x, where it starts, is a minimum
    "deeplift": lambda x: path(x, MEAN),
    "deviation": lambda x: np.abs(x - MEAN) / NORMAL.std(axis=0),
    "input-x-gradient": lambda x: x * gradient(x),
    "integrated-gradients[steps=7]": lambda x: path(x, MEAN),
    "integrated-gradients[steps=7,baseline=zeros]": lambda x: path(x, np.zeros(M)),
    "integrated-gradients[steps=7,baseline=nearest]": lambda x: path(x, nearest(x)),
    "kernelshap[nsamples=5000,rows=30]": shapley,
    "kernelshap-batched[nsamples=5000,rows=30]": shapley,
    "likelihood-compensation[l1_ratio=0,steps=400]": ridge_compensation,
    "lrp[first=epsilon,rule=epsilon,epsilon=1e-12]": lambda x: relevance(x, z_share, alike(x)),
    "lrp[first=w2,rule=w2]": lambda x: relevance(x, weight_share, alike(x)),
    "lrp[preset=paper-tabular]": lambda x: relevance(x, weight_share, by_activation(x)),
    "lrp[root=0,first=w2]": residual,
    "pca-residual": lambda x: off_components(x, 0.9),
    "pca-residual[variance=0.99]": lambda x: off_components(x, 0.99),
    "per-feature-shap[nsamples=5000,rows=30]": reconstructions,
    "shapley-twin": shapley,
    "repair": lambda x: fall(x, MEAN),
    "repair[values=reconstruction]": lambda x: fall(x, x - (x - 0.5) @ P),
    "repair[values=nearest]": lambda x: fall(x, nearest(x)),
    "repair[values=conditional]": lambda x: fall(x, told_by_others(x)),
    "repair[values=search]": searched,
    "residual": residual,
    "residual[form=standardised]": standardised,
    "saliency": lambda x: np.abs(gradient(x)),
}
# A ratio of scores that hardly differ is guarded; Adam moves by the signs of gradients that are
# zero but for rounding.
NEAR = {"acme-ad": 1e-5, "arcana[alpha=0]": 2e-4}
# What is drawn comes near to its expectation.
EXPECTED: dict[str, Callable[[Floats], Floats]] = {
    "gradient-shap[nsamples=20000]": shapley,
    "shapley-permutation[nsamples=20000]": shapley,
    "shapley-sampling[nsamples=4000]": lambda x: path(x, MEAN),
    "smoothgrad[nsamples=20000]": lambda x: np.abs(gradient(x)),
}
# No closed form; laws below hold.
SEARCHED = ["counterfactual", "lime", "likelihood-compensation", "arcana[alpha=0.1,rate=0.01]"]
OF_IMAGES = ["blurred-deviation", "centre", "edges", "occlusion", "ssim-residual"]
OF_SERIES = ["last-value", "own-past", "seasonal"]
BLIND = ["random"]
# LRP hands what is missed of a fixed column, to which no hidden unit leads, to all of them alike;
# deviation and components do not ask the network. What permutations miss of the sum is taken from
# all features alike: one that never matters is 0 within its standard error.
NOT_FREE = [
    *("deviation", "lrp", "residual[form=standardised]", "shapley-permutation[nsamples=20000]"),
    *("pca-residual", "pca-residual[variance=0.99]"),
]


def names(entries: object) -> set[str]:
    return {str(text).split("[")[0] for text in entries}  # type: ignore[attr-defined]


def test_every_explainer_stands_here():
    every = names([*CLOSED, *EXPECTED, *SEARCHED, *OF_IMAGES, *OF_SERIES, *BLIND])
    assert every == set(explainers.names())


@pytest.mark.parametrize("text", CLOSED)
def test_it_says_what_is_known(text):
    x = X[:4] if "shap" in text else X
    expected = CLOSED[text](x)
    found = explained(text, x)
    least = NEAR.get(text, 1e-6) * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=least)


@pytest.mark.parametrize("text", EXPECTED)
def test_what_is_drawn_comes_near(text):
    expected, found = EXPECTED[text](X[:3]), explained(text, X[:3])
    np.testing.assert_allclose(found, expected, atol=0.04 * np.abs(expected).max())


@pytest.mark.parametrize("text", OF_IMAGES)
def test_what_is_for_images_says_so(text):
    with pytest.raises(SkipError, match="images"):
        explained(text)


@pytest.mark.parametrize("text", [*CLOSED, *EXPECTED, *SEARCHED])
def test_what_the_error_does_not_depend_on_has_no_share(text):
    if text in NOT_FREE or text.startswith("lrp["):
        pytest.skip("it does not go by the error alone")
    found = np.abs(explained(text.replace("20000", "200"), X[:4]))
    # A regression's weight of a column without a say is what chance leaves.
    least = 0.05 if text == "lime" else 1e-6
    assert (found[:, FREE] <= least * found.max(axis=1)).all()


SYMMETRIC = [text for text in [*CLOSED, *SEARCHED] if text != "lime"]  # which draws by content


@pytest.mark.parametrize("text", SYMMETRIC)
def test_equal_columns_that_change_places_change_attributions(text):
    order = np.arange(M)
    order[EQUAL] = [2, 0, 3, 1]
    x, normal = X[:4], NORMAL
    expected = explained(text, x, normal)[:, order]
    found = explained(text, x[:, order], normal[:, order])
    # sums in another order round otherwise, and its search then takes other steps: .0045 on one CPU
    least = 1e-2 if text.startswith("likelihood-compensation") else 1e-6
    np.testing.assert_allclose(found, expected, atol=least * np.abs(expected).max())


# Within a block LRP and SHAP of reconstructions do not go by what a column itself is missed by;
# what goes from far away, puts the mean in the place of a value, or keeps too few components, may
# find another one.
OTHERS_FIRST = ["deviation", "input-x", "integrated-gradients[steps=7,baseline=zeros]", "per-"]
FIRST = [
    text
    for text in [*CLOSED, *EXPECTED, *SEARCHED]
    if not text.startswith(("lrp[first", "lrp[preset", *OTHERS_FIRST))
    and text not in ("repair", "pca-residual")
]


@pytest.mark.parametrize("text", FIRST)
def test_the_changed_column_comes_first_where_it_is_missed_most(text):
    kept = np.isin(CAUSE, [*EQUAL, *FIXED])
    found = explained(text.replace("20000", "200").replace("4000", "200"), X[kept])
    assert (found.argmax(axis=1) == CAUSE[kept]).all()


def test_a_quarter_of_the_relevance_of_a_fixed_column_goes_to_the_free_one():
    """The right answer is known, and LRP's is another one: nothing leads to a fixed column."""
    fixed = X[np.isin(CAUSE, FIXED)]
    found = explained("lrp[first=w2,rule=w2]", fixed)
    assert found[:, FIXED].max() < 1e-12
    np.testing.assert_allclose(found[:, FREE], residual(fixed)[:, FIXED].sum(axis=1) / 4)
