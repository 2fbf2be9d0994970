"""Which parameters golden figures are taken at: the defaults, and every documented choice of each.

A `Literal` names its choices, and a truth value has two. Of a number another one is taken; where
there is no default, or half of it would not do, it stands here.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union

from aexbench import RequestError
from aexbench.registry import Plugin

# Fewer evaluations where the default takes long: what is taken as the default here.
LESS: dict[str, dict[str, Any]] = {
    "arcana": {"steps": 20},
    "conv": {"narrow": 4},
    "integrated-gradients": {"steps": 20},
    "kernelshap": {"nsamples": 40, "rows": 4},
    "kernelshap-batched": {"nsamples": 40, "rows": 4},
    "likelihood-compensation": {"steps": 20},
    "lime": {"nsamples": 100},
    "per-feature-shap": {"nsamples": 40, "rows": 4},
    "repair-curve": {"steps": 4},
    "shapley-error": {"orders": 3},
    "shapley-sampling": {"nsamples": 3},
}
OTHER: dict[str, list[Any]] = {
    "alpha": [0.3, 3.0],  # arcana's lies in [0, 1], lrp's is at least 1
    "baseline": [],  # of its own choices
    "count": [6],
    "epsilon": [0.1],
    "gamma": [1.0],
    "high": [1.5],
    "l1": [0.01],
    "layers": [["*=gamma"]],
    "low": [-0.5],
    "max_draws": [],  # how many are tried, not what is found
    "noise": [0.3],
    "nsamples": [25],
    "orders": [2],
    "output": [2],
    "quantile": [0.0],
    "root": ["joint", 0.25],
    "rows": [3],
    "seed": [1],
    "share": [0.9],
    "sigma": [1.0],
    "size": [2],
    "stride": [2],
    "threshold": [0.1, "strict"],
    "top": [3],
    "window": [4],
}
# Parameters that show with another one alone.
WITH: dict[tuple[str, str], dict[str, Any]] = {
    ("kernelshap", "segments"): {"count": 4},  # more segments than coalitions have no one answer
    ("kernelshap-batched", "middle"): {"segments": "patches", "count": 4, "nsamples": 10},
    ("lrp", "gamma"): {"first": "z-plus", "rule": "gamma"},
    ("lrp", "alpha"): {"first": "z-plus", "rule": "alpha-beta"},
    ("lrp", "epsilon"): {"first": "z-plus", "rule": "epsilon"},
    ("lrp", "rule"): {"first": "w2"},
    ("repair", "quantiles"): {"values": "search"},
    ("residual", "nsamples"): {"form": "standardised"},
}

# What the figures cannot show: the default in other words, what follows from longer training, and
# limits that nothing here meets.
WITHOUT_EFFECT = {
    "adversarial": {"bounded", "threshold"},
    "counterfactual": {"quantile"},
    "linear": {"learning_rate"},
    "lrp": {"first", "preset"},
}
LONGER = {"epochs", "patience", "batch_size"}


def cases(plugin: Plugin[Any]) -> Iterator[dict[str, Any]]:
    """Yield the parameters of each case, the defaults first."""
    less = {k: v for k, v in LESS.get(plugin.name, {}).items() if k in plugin.parameters}
    yield less
    for name, parameter in plugin.parameters.items():
        default = less.get(name, parameter.default)
        for value in others(name, parameter.annotation, default):
            if refused(plugin, {name: value}):  # of another component's parameter of this name
                continue
            yield {**less, **WITH.get((plugin.name, name), {}), name: value}


def refused(plugin: Plugin[Any], given: dict[str, Any]) -> bool:
    """Whether a plugin does not take a parameter's value."""
    try:
        plugin.parameters[next(iter(given))].validate(next(iter(given.values())), plugin.name)
    except RequestError:
        return True
    return False


def others(name: str, annotation: Any, default: Any) -> list[Any]:
    """Return the values of a parameter that are to be tried beside its default."""
    named = [value for value in literals(annotation) if value != default]
    if name in OTHER:
        return [*named, *(value for value in OTHER[name] if value not in (default, *named))]
    if named:
        return named
    if isinstance(default, bool):
        return [not default]
    if isinstance(default, int):
        return [max(1, default // 2) if default > 1 else default + 1]
    return [default / 2] if isinstance(default, float) and default else []


def literals(annotation: Any) -> list[Any]:
    """Return the choices that a type names."""
    origin = typing.get_origin(annotation)
    if origin is Literal:
        return list(typing.get_args(annotation))
    if origin in (Union, types.UnionType, Annotated):
        parts = typing.get_args(annotation)
        parts = parts[:1] if origin is Annotated else parts
        return [value for part in parts for value in literals(part)]
    return []
