"""What components do where nobody says otherwise: every default is written down here once more, the
paper's protocol first.
"""

from __future__ import annotations

import inspect

import pytest

from aexbench import families
from aexbench.running import planning

GIVEN = inspect.Parameter.empty  # it must be given
LIMITS = {"count": 100, "max_draws": 100_000}  # the paper's K
SEGMENT = {"length": 8, "channels": 1}  # of a series
SEGMENTS = {"segments": "slic", "count": 50}
PICTURES = {"size": 128, "rotation": 10.0, "flips": True, "autoencoder": "conv", "seed": 0}
ADAM = {"loss": "l2", "steps_per_epoch": None}
FIT = {**ADAM, "patience": 10, "batch_size": 32, "epochs": 200, "learning_rate": 0.001}
LONG = {**ADAM, "patience": 30, "batch_size": 64, "epochs": 1000, "learning_rate": 0.002}
ALONG_TIME = {**LONG, "epochs": 200, "patience": 10}
RECURRENT = {**LONG, "epochs": 60, "batch_size": 16}
WINDOWS = {"window": None, "stride": 1, "by": "channels", "patch": 8}

DEFAULTS = {
    "corruptions": {
        "null": {"threshold": 0.3, **LIMITS},
        "random": {"threshold": 0.5, **LIMITS},
        "adversarial": {
            "threshold": 0.3,
            "theta": 1.0,
            "alpha": 0.05,
            "every": 10,
            "steps": 100,
            "epsilon": None,
            "bounded": False,
            **LIMITS,
        },
        "drift": {"threshold": 0.3, "size": 10.0, **SEGMENT, "bounded": False, **LIMITS},
        "exchange": {"threshold": 0.2, **SEGMENT, "length": 16, **LIMITS},
        "flat-line": {"threshold": 0.05, **SEGMENT, "length": 16, **LIMITS},
        "group": {"threshold": 0.5, "size": 3, "choice": "random", "donor": None, **LIMITS},
        "inward": {"threshold": 0.3, **LIMITS},
        "level-shift": {"threshold": 0.3, "size": 5.0, **SEGMENT, "bounded": False, **LIMITS},
        "mirror": {"threshold": 0.3, **LIMITS},
        "noise": {"threshold": 0.3, "size": 5.0, **SEGMENT, "bounded": False, **LIMITS},
        "spike": {"threshold": 0.3, "size": 10.0, "channels": 1, "bounded": False, **LIMITS},
        "swap": {"threshold": 0.3, **LIMITS},
    },
    "explainers": {
        "acme-ad": {"loss": None, "quantiles": 50, "alarm": 0.95},
        "arcana": {"alpha": 0.8, "steps": 400, "rate": 0.001, "start": "reconstruction"},
        "blurred-deviation": {},
        "centre": {},
        "counterfactual": {"loss": None, "quantile": 0.95, "steps": 200},
        "deeplift": {"baseline": "mean", "loss": None},
        "deviation": {},
        "edges": {},
        "gradient-shap": {"nsamples": 200, "seed": 0, "loss": None},
        "input-x-gradient": {"loss": None},
        "integrated-gradients": {"baseline": "mean", "steps": 500, "loss": None},
        "kernelshap": {
            "nsamples": 1000,
            "rows": None,
            "kmeans": False,
            "seed": 0,
            "loss": None,
            **SEGMENTS,
        },
        "kernelshap-batched": {
            "nsamples": 1000,
            "rows": None,
            "value": "error",
            "output": None,
            "middle": "paired",
            "seed": 0,
            "loss": None,
            **SEGMENTS,
        },
        "likelihood-compensation": {"l2": 0.1, "l1_ratio": 0.5, "steps": 200},
        "last-value": {},
        "lime": {"loss": None, "nsamples": None, "neighbours": "sample", "seed": 0, **SEGMENTS},
        "lrp": {
            "loss": None,
            "first": None,
            "rule": None,
            "preset": None,
            "layers": (),
            "root": "input",
            "relevance": "error",
            "contrast": "none",
            "low": None,
            "high": None,
            "epsilon": 1e-6,
            "gamma": 0.25,
            "alpha": 2.0,
        },
        "occlusion": {"window": None, "stride": None, "loss": None},
        "own-past": {},
        "pca-residual": {"loss": None, "variance": 0.9, "nsamples": 1000},
        "per-feature-shap": {
            "nsamples": 1000,
            "rows": 200,
            "share": 0.5,
            "combine": "absolute",
            "seed": 0,
        },
        "random": {"seed": 0},
        "repair": {"loss": None, "values": "mean", "quantiles": 5, **SEGMENTS},
        "residual": {"loss": None, "form": "plain", "sigma": 0.0, "nsamples": 10_000},
        "saliency": {"loss": None},
        "seasonal": {},
        "shapley-permutation": {
            "nsamples": 3000,
            "rows": None,
            "tolerance": None,
            "seed": 0,
            "loss": None,
            **SEGMENTS,
        },
        "shapley-sampling": {"nsamples": 25, "seed": 0, "loss": None, **SEGMENTS},
        "shapley-twin": {
            "nsamples": 3000,
            "order": 1,
            "rows": None,
            "tolerance": None,
            "seed": 0,
            "loss": None,
            **SEGMENTS,
        },
        "smoothgrad": {"nsamples": 50, "noise": 0.1, "seed": 0, "loss": None},
        "ssim-residual": {},
    },
    "metrics": {
        "average-precision": {},
        "boundary-ap": {"distance": 2},
        "conservation-gap": {},
        "effort": {"until": "first"},
        "hit-rate": {"percent": 100},
        "max-sensitivity": {"radius": 0.02, "draws": 10},
        "model-randomisation": {"stages": 4},
        "ndcg": {},
        "pixel-ap": {"thresholds": "exact"},
        "pixel-roc-auc": {},
        "pointing-game": {"tolerance": 0},
        "pro": {"limit": 0.3},
        "recall": {"top": 1},
        "reciprocal-rank": {},
        "relevance-mass": {},
        "repair-curve": {"to": "normal", "steps": 20},
        "shapley-error": {"orders": 250},
        "sparseness": {},
        "step-precision": {"top": 1, "boundary": 0},
        "step-roc-auc": {"boundary": 0},
        "relevance-rank": {},
        "roc-auc": {},
    },
    "datasets": {
        "asd": {"entity": "omi-1", "root": None, **WINDOWS},
        "breast-cancer": {"encoding": "scalar", "columns": 8, "codes": "known", "seed": 0},
        "defects": {
            "category": "bottle",
            "images": 200,
            "per_damage": 20,
            "corners": None,
            "train_samples": 1000,
            "validation_samples": 100,
            **PICTURES,
        },
        "digits": {"anomaly": 8, "seed": 0},
        "file": {
            "path": GIVEN,
            "label": None,
            "truth": None,
            "drop": (),
            "data": "X",
            "autoencoder": "mlp",
            "seed": 0,
            "test": None,
            "split": "random",
            "unit": None,
            "kind": None,
            "groups": (),
            "truth_kind": "symptom",
            "scale": "minmax",
            "labels": None,
            "encoding": "scalar",
            "columns": 8,
            "codes": "known",
            **WINDOWS,
        },
        "image-folder": {
            "path": GIVEN,
            "corners": "edge",
            "train_samples": 10_000,
            "validation_samples": 1000,
            **PICTURES,
        },
        "kddcup99": {"subset": "SA", "percent10": True, "autoencoder": None, "seed": 0},
        "linear-autoencoder": {"rows": 2000, "noise": 0.01, "change": 0.2, "seed": 0},
        "mvtec": {
            "category": "bottle",
            "root": None,
            "corners": "edge",
            "train_samples": 10_000,
            "validation_samples": 1000,
            **PICTURES,
        },
        "openml": {
            "table": None,
            "id": None,
            "version": 1,
            "target": None,
            "normal": None,
            "drop": (),
            "gaps": "refuse",
            "autoencoder": "mlp",
            "seed": 0,
        },
        "perfect-autoencoder": {
            "rows": 5000,
            "features": 12,
            "dependencies": "ring",
            "noise": 0.0,
            "seed": 0,
        },
        "postgres-log": {
            "path": GIVEN,
            "format": "auto",
            "prefix": None,
            "encoding": "scalar",
            "autoencoder": "mlp[widths=[16, 8]]",
        },
        "petshop": {"scenario": "high_traffic", "root": None},
        "smd": {"machine": "1-1", "root": None, **WINDOWS},
        "sql-workload": {
            "rows": 20_000,
            "validation_rows": None,
            "test_rows": None,
            "encoding": "scalar",
            "columns": 8,
            "codes": "known",
            "intrusions": 0.01,
            "autoencoder": "mlp[widths=[64, 32, 8],batch_size=128,epochs=50,patience=10]",
            "in_memory_rows": 2_000_000,
            "seed": 0,
        },
        "wine": {"seed": 0},
    },
    "autoencoders": {
        "conv": {"output": "relu", "narrow": 1, "start": "he", "l1": 0.0, **FIT},
        "conv-transpose": {"channels": (16, 32, 64), **FIT},
        "conv1d": {"channels": (32, 8), "output": "sigmoid", **ALONG_TIME},
        "gru": {"units": 32, "code": 8, "output": "sigmoid", **RECURRENT},
        "lstm": {"units": 32, "code": 8, "output": "sigmoid", **RECURRENT, "learning_rate": 0.005},
        "linear": {"blocks": (), "loadings": (), "centre": 0.5, **LONG},
        "mlp": {
            "widths": (64, 32, 8),
            "activation": "relu",
            "output": "sigmoid",
            "l1": 0.0,
            **LONG,
        },
        "tcn": {
            "output": "sigmoid",
            "channels": 32,
            "code": 4,
            "dilations": (1, 2, 4),
            "pooled": 2,
            **ALONG_TIME,
        },
        "transformer": {
            **{"units": 32, "heads": 4, "layers": 1, "code": 4, "output": "sigmoid"},
            **{**LONG, "epochs": 100, "patience": 10, "learning_rate": 0.001},
        },
        "unet": {"channels": (16, 32, 64), **FIT},
        "variational": {"widths": (64, 32), "latent": 8, "beta": 0.001, **LONG},
    },
}
SUITE = {"detectors": ["default"], "metrics": ["recall[top=1]", "recall[top=3]"], "seeds": 1}


@pytest.mark.parametrize("family", DEFAULTS)
def test_every_component_does_so_where_nothing_is_said(family):
    registry = families.FAMILIES.get(family, families.autoencoders)
    found = {
        name: {key: p.default for key, p in registry.describe(name).parameters.items()}
        for name in registry.names()
        if name != "mine"  # which a test may have registered
    }
    assert found == DEFAULTS[family]


def test_a_suite_does_so_where_nothing_is_said():
    least = {"name": "x", "datasets": ["wine"], "corruptions": ["null"], "explainers": ["lrp"]}
    made = planning.from_values(least, "x")
    assert {name: getattr(made, name) for name in SUITE} == SUITE
    assert (made.twins, made.controls) == (5, True)
