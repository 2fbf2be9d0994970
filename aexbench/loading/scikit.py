"""scikit-learn's objects as torch modules: what is known exactly, everything else as a function.

Scalers, `PCA`, `MLPRegressor` and pipelines of them compute in float64 what scikit-learn computes.
x̂ is what the object itself would give: `predict(x)` where it (or a pipeline's last step) predicts,
`inverse_transform(transform(x))` where it transforms. Either is in x's units as far as the object
was fitted so: `pipeline.fit(x, x)` predicts x, `pipeline.fit(x, scaled)` predicts what is scaled.
`TransformedTargetRegressor(regressor, transformer=scaler)` scales x̂ back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from aexbench.errors import RequestError
from aexbench.loading.opaque import Opaque

Pair = tuple[nn.Module, nn.Module]
"""A transformation and its inverse."""


def module_of(model: Any) -> nn.Module:
    """Return a fitted estimator's reconstruction as a module.

    >>> from sklearn.decomposition import PCA
    >>> x = np.random.default_rng(0).random((20, 3))
    >>> pca = PCA(2).fit(x)
    >>> x_hat = module_of(pca)(torch.as_tensor(x)).detach()
    >>> bool(np.allclose(x_hat, pca.inverse_transform(pca.transform(x)), rtol=1e-12))
    True
    """
    _check_fitted(model)
    found = _reconstruction(model)
    return Opaque(AsArrays(model)) if found is None else found.double().eval()


def _check_fitted(model: Any) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except NotFittedError:
        kind = type(model).__name__
        raise RequestError(f"this {kind} is not fitted yet: call fit, then give it") from None


class AsArrays:
    """What an estimator that is not translated makes of an array (N, M)."""

    def __init__(self, model: Any) -> None:
        from sklearn.base import is_regressor

        both = hasattr(model, "transform") and hasattr(model, "inverse_transform")
        if not both and not is_regressor(model):
            raise RequestError(
                f"{type(model).__name__} reconstructs nothing: it has neither inverse_transform "
                "nor is it a regressor; give a function x -> x̂ on arrays"
            )
        self.model, self.predicts = model, is_regressor(model)

    def __call__(self, x: Any) -> Any:
        """Return x̂ of x."""
        rows = _framed(x, getattr(self.model, "feature_names_in_", None))
        if not self.predicts:
            return np.asarray(self.model.inverse_transform(self.model.transform(rows)))
        x_hat = np.asarray(self.model.predict(rows))
        return x_hat[:, None] if x_hat.ndim == 1 and x.shape[1:] == (1,) else x_hat


def _framed(x: Any, names: Any) -> Any:
    """Return rows as the data frame that an estimator was fitted with, if it was."""
    if names is None:
        return x
    import pandas as pd

    return pd.DataFrame(x, columns=names)


class Multiplied(nn.Module):
    """x·scale + shift, by column. Its constants are those of the units: no twin redraws them."""

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, shift: torch.Tensor, scale: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("shift", shift, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x (N, M) in the other units."""
        return x * self.scale + self.shift


class Divided(Multiplied):
    """(x − shift)/scale, by column: the inverse."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x (N, M) in the other units."""
        return (x - self.shift) / self.scale


class Exponential(nn.Module):
    """exp(x): the last activation of a Poisson regression."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return exp(x)."""
        return torch.exp(x)


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "identity": nn.Identity,
    "logistic": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "exp": Exponential,
}


def _reconstruction(model: Any) -> nn.Module | None:
    """Return the module that computes x̂; None where a part is not known."""
    if (predicted := _prediction(model)) is not None:
        return predicted
    pair = _pair(model)
    return None if pair is None else nn.Sequential(*pair)


def _prediction(model: Any) -> nn.Module | None:
    """Return the module of what a regressor predicts."""
    kind = _kind(model)
    if kind == "MLPRegressor":
        return _network(model)
    if kind == "TransformedTargetRegressor":
        predicted, pair = _prediction(model.regressor_), _pair(model.transformer_)
        return None if predicted is None or pair is None else nn.Sequential(predicted, pair[1])
    if kind == "Pipeline" and (steps := _steps(model)):
        first, last = _pairs(steps[:-1]), _prediction(steps[-1])
        if first is None or last is None:
            return None
        return nn.Sequential(*(forth for forth, _ in first), last)
    return None


def _pair(model: Any) -> Pair | None:
    """Return a transformation and its inverse."""
    kind = _kind(model)
    if kind == "Pipeline":
        pairs = _pairs(_steps(model))
        if pairs is None:
            return None
        forth, back = [one for one, _ in pairs], [other for _, other in pairs]
        return nn.Sequential(*forth), nn.Sequential(*reversed(back))
    return PAIRS[kind](model) if kind in PAIRS else None


def _pairs(steps: Sequence[Any]) -> list[Pair] | None:
    found = [_pair(step) for step in steps]
    known = [pair for pair in found if pair is not None]
    return known if len(known) == len(found) else None


def _steps(pipeline: Any) -> list[Any]:
    return [step for _, step in pipeline.steps if step not in (None, "passthrough")]


def _kind(model: Any) -> str:
    """Return the name of one of scikit-learn's own classes: one derived may do something else."""
    return type(model).__name__ if type(model).__module__.startswith("sklearn.") else ""


def _network(model: Any) -> nn.Module:
    """Return the layers of an `MLPRegressor`."""
    last = len(model.coefs_) - 1
    layers: list[nn.Module] = []
    for number, (weight, bias) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        name = model.out_activation_ if number == last else model.activation
        layers += [_linear(weight.T, bias), ACTIVATIONS[name]()]
    return nn.Sequential(*layers)


def _linear(weight: Any, bias: Any) -> nn.Linear:
    """Return x·weightᵀ + bias."""
    made = nn.Linear(weight.shape[1], weight.shape[0], dtype=torch.float64)
    with torch.no_grad():
        made.weight.copy_(_tensor(weight))
        made.bias.copy_(_tensor(bias))
    return made


def _tensor(values: Any) -> torch.Tensor:
    return torch.tensor(np.asarray(values, dtype=np.float64))


def _standard(model: Any) -> Pair:
    return _divided(
        model.n_features_in_,
        shift=model.mean_ if model.with_mean else None,
        scale=model.scale_ if model.with_std else None,
    )


def _robust(model: Any) -> Pair:
    return _divided(
        model.n_features_in_,
        shift=model.center_ if model.with_centering else None,
        scale=model.scale_ if model.with_scaling else None,
    )


def _max_abs(model: Any) -> Pair:
    forth, back = _divided(model.n_features_in_, shift=None, scale=model.scale_)
    return _clipped(model, forth, -1.0, 1.0), back


def _min_max(model: Any) -> Pair:
    shift, scale = _tensor(model.min_), _tensor(model.scale_)
    forth = _clipped(model, Multiplied(shift, scale), *model.feature_range)
    return forth, Divided(shift.clone(), scale.clone())


def _divided(columns: int, *, shift: Any, scale: Any) -> Pair:
    moved = _tensor(np.zeros(columns) if shift is None else shift)
    spread = _tensor(np.ones(columns) if scale is None else scale)
    return Divided(moved, spread), Multiplied(moved.clone(), spread.clone())


def _clipped(model: Any, scaled: nn.Module, low: float, high: float) -> nn.Module:
    if not getattr(model, "clip", False):  # MaxAbsScaler has it since 1.9
        return scaled
    return nn.Sequential(scaled, nn.Hardtanh(float(low), float(high)))


def _principal(model: Any) -> Pair:
    """Return the projection of a `PCA` and the way back; whitened parts have unit variance."""
    spread = np.ones(len(model.components_))
    if model.whiten:
        spread = np.sqrt(model.explained_variance_)
    least = np.maximum(spread, np.finfo(spread.dtype).eps)  # as scikit-learn divides
    centre = model.mean_ @ model.components_.T
    forth = _linear(model.components_ / least[:, None], -centre / least)
    return forth, _linear((spread[:, None] * model.components_).T, model.mean_)


PAIRS: dict[str, Callable[[Any], Pair]] = {
    "StandardScaler": _standard,
    "MinMaxScaler": _min_max,
    "RobustScaler": _robust,
    "MaxAbsScaler": _max_abs,
    "PCA": _principal,
}
