"""What reconstructs, as a torch module: a module itself, scikit-learn's objects, functions."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from os import PathLike

import torch

from aexbench.errors import RequestError
from aexbench.loading import scikit
from aexbench.loading.opaque import Opaque
from aexbench.models import check_model


def module_of(model: object) -> torch.nn.Module:
    """Return a module that makes x̂ of x as `model` does.

    Raises
    ------
    RequestError
        If it makes none, or none is known: says what to give.
    """
    if isinstance(model, str | PathLike):
        raise RequestError(f"{str(model)!r} names a model: aexbench.loading.load(text) reads it")
    if isinstance(model, type):
        raise RequestError(f"{model.__name__} is a class: give an object of it, such as one fitted")
    if _of_scikit(model):
        return scikit.module_of(model)
    if isinstance(model, torch.nn.Module | Mapping) or not callable(model):
        check_model(model)
    assert callable(model)
    return model if isinstance(model, torch.nn.Module) else Opaque(model)


def _of_scikit(model: object) -> bool:
    base = sys.modules.get("sklearn.base")  # who has an estimator has imported it
    return base is not None and isinstance(model, base.BaseEstimator)
