"""What scikit-learn has fitted computes in torch what scikit-learn computes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA, FastICA, KernelPCA
from sklearn.ensemble import IsolationForest, RandomForestRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from aexbench import Detector, RequestError, explainers

ROUNDING = 1e-12  # of the largest value of a column
UNITS = np.array([1.0, 1e-3, 1e4, 50.0, 7.0])
CENTRE = np.array([0.0, 2.0, -3e4, 1e3, 0.5])


def rows(seed: int, count: int = 60):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, 3)) @ rng.normal(size=(3, 5)) * UNITS + CENTRE


X = rows(0)


def network(activation="relu", widths=(4, 3), **options):
    return MLPRegressor(
        hidden_layer_sizes=widths, activation=activation, max_iter=20, random_state=0, **options
    )


def by_hand(model, x):
    """Return what scikit-learn's own methods make of x, the slow twin."""
    if hasattr(model, "predict"):
        return np.asarray(model.predict(x)).reshape(x.shape)
    return model.inverse_transform(model.transform(x))


SCALERS = {
    "standard": StandardScaler(),
    "standard, no mean": StandardScaler(with_mean=False),
    "standard, no spread": StandardScaler(with_std=False),
    "min-max": MinMaxScaler(),
    "min-max of other ends, clipped": MinMaxScaler((-2, 3), clip=True),
    "robust": RobustScaler(),
    "robust, unit variance": RobustScaler(unit_variance=True, quantile_range=(10, 80)),
    "robust, no centre": RobustScaler(with_centering=False),
    "robust, no spread": RobustScaler(with_scaling=False),
    "max-abs": MaxAbsScaler(),
}
MODELS = {
    "pca": PCA(2),
    "whitened": PCA(2, whiten=True),
    "whitened, of less rank than columns": PCA(whiten=True),
    "pipeline with a whole pca": make_pipeline(StandardScaler(), PCA()),
    "logistic": network("logistic"),
    "tanh": network("tanh"),
    "relu": network("relu"),
    "identity": network("identity"),
    "no hidden layer": network(widths=()),
    "two transformations, then a network": make_pipeline(MinMaxScaler(), PCA(3), network()),
    "passed through": Pipeline([("no", "passthrough"), ("none", None), ("pca", PCA(2))]),
    "pipelines in a pipeline": make_pipeline(make_pipeline(MaxAbsScaler(), PCA(4)), PCA(2)),
    "scaled back": make_pipeline(
        StandardScaler(), TransformedTargetRegressor(network("tanh"), transformer=MinMaxScaler())
    ),
}
ALL = MODELS | {f"{n}, pca": make_pipeline(s, PCA(2)) for n, s in SCALERS.items()}
ALL |= {f"{n}, network": make_pipeline(s, network("tanh")) for n, s in SCALERS.items()}


@pytest.mark.parametrize("model", ALL.values(), ids=ALL)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_translated_model_is_scikit_learns_to_rounding(model):
    model.fit(X, X)
    detector = Detector.of(model)
    assert not detector.opaque
    assert detector.dtype == torch.float64
    x = rows(1)  # further out than the rows that it was fitted on
    expected, found = by_hand(model, x), detector.reconstruct(x).numpy()
    assert np.abs((found - expected) / np.abs(expected).max(axis=0)).max() < ROUNDING


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@given(seed=st.integers(0, 2**16), parts=st.integers(1, 5), whiten=st.booleans())
@settings(max_examples=25, deadline=None)
def test_any_fitted_projection_is_translated(seed, parts, whiten):
    x = rows(seed, 30)
    model = make_pipeline(RobustScaler(), PCA(min(parts, 3), whiten=whiten)).fit(x)
    found = Detector.of(model).reconstruct(x).numpy()
    assert np.abs((found - by_hand(model, x)) / np.abs(x).max(axis=0)).max() < ROUNDING


def test_a_poisson_network_is_translated():
    options = {"loss": "poisson"}
    try:
        model = network("tanh", **options).fit(np.abs(X) / 1e5, np.abs(X) / 1e5)
    except TypeError:
        pytest.skip("this scikit-learn has no Poisson loss")
    x = np.abs(X) / 1e5
    detector = Detector.of(model)
    assert not detector.opaque
    assert np.allclose(detector.reconstruct(x).numpy(), model.predict(x), rtol=1e-12)


def test_errors_are_in_the_users_units():
    model = make_pipeline(StandardScaler(), PCA(2)).fit(X)
    share = Detector.of(model).error_map(X).numpy()
    assert np.allclose(share, (X - by_hand(model, X)) ** 2 / X.shape[1], rtol=1e-6)


def test_a_pipeline_returns_what_it_predicts_in_whatever_units_it_was_fitted():
    scaled = StandardScaler().fit_transform(X)
    model = make_pipeline(StandardScaler(), network()).fit(X, scaled)
    assert np.allclose(Detector.of(model).reconstruct(X).numpy(), model.predict(X), rtol=1e-9)


def test_gradients_and_layers_are_seen():
    model = make_pipeline(StandardScaler(), PCA(2)).fit(X)
    detector = Detector.of(model)
    for name in ("saliency", "lrp", "counterfactual"):
        found = explainers.create(name, detector, background=X).explain(X[:3])
        assert bool(torch.isfinite(found).all())
        assert float(found.abs().sum()) > 0
    relevance = explainers.create("lrp", detector, background=X).explain(X[:9])
    total = detector.error(X[:9])
    assert torch.allclose(relevance.sum(1), total, rtol=1e-6)


class Derived(PCA):
    """Does something of its own."""

    def inverse_transform(self, X):
        return super().inverse_transform(X) + 1


OTHERS = {
    "kernel": KernelPCA(2, fit_inverse_transform=True),
    "independent parts": FastICA(2, random_state=0),
    "a class of one's own": Derived(2),
    "forest": RandomForestRegressor(3, random_state=0),
    "unknown in a pipeline": make_pipeline(StandardScaler(), FastICA(2, random_state=0)),
}


@pytest.mark.parametrize("model", OTHERS.values(), ids=OTHERS)
def test_what_is_not_known_is_asked_as_a_function(model):
    model.fit(X, X)
    detector = Detector.of(model)
    assert detector.opaque
    x = X.astype(np.float32)
    assert np.allclose(detector.reconstruct(x).numpy(), by_hand(model, x), rtol=1e-5)


@pytest.mark.filterwarnings("error")
def test_what_was_fitted_with_a_frame_is_given_one():
    frame = pd.DataFrame(X, columns=list("abcde"))
    model = FastICA(2, random_state=0).fit(frame)
    expected = model.inverse_transform(model.transform(frame))
    assert np.allclose(Detector.of(model).reconstruct(X).numpy(), expected, rtol=1e-3)


def test_one_column_stays_a_column():
    model = RandomForestRegressor(3, random_state=0).fit(X[:, :1], X[:, 0])
    assert Detector.of(model).reconstruct(X[:, :1]).shape == (60, 1)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (PCA(2), "this PCA is not fitted yet: call fit"),
        (PCA, "PCA is a class: give an object"),
        (KMeans(2).fit(X), "KMeans reconstructs nothing.*function x -> x̂"),
        (IsolationForest().fit(X), "IsolationForest reconstructs nothing"),
    ],
)
def test_what_reconstructs_nothing_is_refused(model, message):
    with pytest.raises(RequestError, match=message):
        Detector.of(model)
