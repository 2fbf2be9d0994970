"""Taking the golden figures: one function a family, and the file that keeps them.

A figure is a list of numbers, under the family, the component and the case. Beside a component's
figures stand its version and those of the libraries that had a part in them.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aexbench import Features, RequestError, SkipError, corruptions, datasets, explainers, metrics
from aexbench.autoencoders import fitting, training
from aexbench.components import Component, component
from aexbench.digests import value_digest
from aexbench.families import FAMILIES
from aexbench.running import references
from aexbench.running.asking import Asking
from aexbench.running.controls import controlled
from aexbench.versions import STAGES
from tests.golden import made
from tests.golden.choices import cases

PATH = Path(__file__).with_name("figures.json")
LIBRARIES = {
    "deeplift": ["captum"],
    "integrated-gradients": ["captum"],
    "kernelshap": ["shap"],
    "lime": ["lime"],
    "occlusion": ["captum"],
}
SEGMENTED = ["scikit-image"]  # of images: superpixels
PLANES = {"boundary-ap", "pointing-game", "pro"}  # metrics that see neighbours
ROW = (made.COLUMNS,)
WINDOW = (8, 3)
SHAPES = {
    "conv": (1, 128, 128),
    **dict.fromkeys(("linear", "mlp", "variational"), ROW),
    **dict.fromkeys(("conv1d", "gru", "lstm", "tcn", "transformer"), WINDOW),
}
IMAGE = (1, 16, 16)
SERIES = {"drift", "exchange", "flat-line", "level-shift", "noise", "spike"}

Figures = dict[str, list[float]]


def of_explainer(name: str) -> Figures:
    """Return an explainer's attributions of rows, of rows in groups and of images; those of a floor
    of series of windows.
    """
    plugin = explainers.describe(name)
    found: Figures = {}
    for parameters in cases(plugin):
        text = plugin.write(parameters)
        subjects = _windows() if plugin.declaration.series else _subjects()
        for kind, detector, background, x in subjects:
            try:
                explainer = explainers.create(name, detector, background=background, **parameters)
                found[f"{text} on {kind}"] = made.summary(explainer.explain(x).numpy())
            except (SkipError, RequestError):  # of another kind of data
                continue
    return found


def _subjects() -> Iterator[tuple[str, Any, Any, Any]]:
    x = torch.as_tensor(made.rows(3, 0.7)).double()
    yield "rows", made.of_rows(), made.rows(60, 2.1), x
    yield "groups", made.of_rows(made.GROUPS), made.rows(60, 2.1), x
    pictures = torch.as_tensor(made.images(15)[12:]).double()
    yield "images", made.of_images(), made.images(12), pictures


def _windows() -> Iterator[tuple[str, Any, Any, Any]]:
    x = torch.as_tensor(made.swinging(20)[17:][::-1].copy()).double()
    yield "windows", made.of_swinging(), made.swinging(17), x


def of_corruption(name: str) -> Figures:
    """Return what a corruption makes of rows, without groups, with them, and with categories, or of
    windows: proposed, and accepted.
    """
    plugin = corruptions.describe(name)
    found: Figures = {}
    for parameters in cases(plugin):
        for kind, (detector, rows) in (_series() if name in SERIES else _clean()).items():
            given = {"threshold": 0.05, "count": 8, "max_draws": 4000, **parameters}
            corruption = corruptions.create(name, **given)
            proposed = _proposed(corruption, detector, rows)
            found[f"{plugin.write(parameters)} proposed on {kind}"] = proposed
            alarms = rows(9, 4.4)
            alarms[:, 1] += 3.0  # errors of their own, above those of normal rows
            anomalies = corruption.generate(detector, rows(50, 2.9), seed=3, alarms=alarms)
            text = f"{plugin.write(parameters)} on {kind}"
            report = [anomalies.report[part] for part in ("asked", "found", "distinct", "draws")]
            found[text] = [*map(float, report), float(anomalies.report["threshold"] == "strict")]
            for part in (anomalies.x, anomalies.truth, anomalies.unit, anomalies.score):
                found[text] += made.whole(part)
            for value in anomalies.details.values():
                found[text] += made.whole(value)
    return found


def _clean() -> dict[str, tuple[Any, Callable[[int, float], Any]]]:
    """Return detectors of rows by their kind, and how their rows are made."""
    return {
        "rows": (made.of_rows(), made.rows),
        "groups": (made.of_rows(made.GROUPS), made.rows),
        "categories": (made.of_categories(), made.categories),
    }


def _series() -> dict[str, tuple[Any, Callable[[int, float], Any]]]:
    """Return detectors of windows by what is a feature, and how the windows are made."""
    return {by: (made.of_windows(by), made.windows) for by in ("channels", "steps", "cells")}


def _proposed(corruption: Any, detector: Any, rows: Callable[[int, float], Any]) -> list[float]:
    """Return what a corruption would change rows to, whether or not the detector is alarmed."""
    x = torch.as_tensor(rows(14, 2.9)).double()
    shape = tuple(x.shape[1:])
    features = np.arange(14) % detector.features.count(shape)
    mask = torch.as_tensor(detector.features.masks(features, shape))
    every = {"clean": rows(50, 2.9), "alarms": rows(9, 4.4)}
    known = {name: every[name] for name in corruption.offered}
    rng = np.random.default_rng(5)
    proposal = corruption.propose(detector, x, mask, rng, **corruption.parameters, **known)
    return made.whole(getattr(proposal, "x", proposal))


def of_metric(name: str) -> Figures:
    """Return what a metric gives attributions with ties, and without: of rows, and of images too
    where it sees neighbours; of windows where it sees columns.
    """
    plugin = metrics.describe(name)
    if hasattr(plugin.target, "probe"):
        return _of_probe(plugin)
    truths = {"": made.anomalies().truth} | ({" images": made.damages()} if name in PLANES else {})
    truths = {" windows": made.incidents()} if plugin.declaration.columns else truths
    found: Figures = {}
    for parameters in cases(plugin):
        metric = metrics.create(name, **parameters)
        for of, truth in truths.items():
            loose = made.wave(truth.shape, 0.6)
            for kind, values in (("loose", loose), ("tied", np.round(loose)), ("even", loose * 0)):
                text = f"{plugin.write(parameters)} of {kind}{of}"
                found[text] = made.whole(metric.score(values, truth))
    return found


def _of_probe(plugin: Any) -> Figures:
    """Return what a metric asks of the residual of rows, without groups and with them, and what it
    makes of that.
    """
    found: Figures = {}
    for parameters in cases(plugin):
        metric = metrics.create(plugin.name, **parameters)
        for kind, groups in (("rows", None), ("groups", made.GROUPS)):
            asked = _asking(made.of_rows(groups))
            outcome, text = metric.probe(asked), plugin.write(parameters)
            found[f"{text} asks {kind}"] = made.summary(outcome)
            truth = np.ones(asked.attributions.shape, dtype=bool)
            found[f"{text} of {kind}"] = made.whole(metric.score(outcome, truth))
    return found


def _asking(detector: Any) -> Asking:
    def make(other: Any) -> Any:
        return explainers.create("residual", other)

    return Asking(make, detector, made.rows(5, 0.7), made.rows(60, 2.1), seed=3, twin=4)


def of_autoencoder(name: str) -> Figures:
    """Return an autoencoder's initial weights, and its weights after three steps from seed 0, if it
    is trained.
    """
    plugin = FAMILIES["autoencoders"].describe(name)
    shape = SHAPES.get(name, IMAGE)
    found: Figures = {}
    for parameters in cases(plugin):
        recipe = component(FAMILIES["autoencoders"], {"name": name, **parameters})
        found[f"{plugin.write(parameters)}, initial"] = _initial(recipe, shape)
        model = training.build(recipe, shape, seed=0).model
        if any(parameter.requires_grad for parameter in model.parameters()):
            found[f"{plugin.write(parameters)}, trained"] = _trained(recipe, shape)
    return found


def _initial(recipe: Component, shape: tuple[int, ...]) -> list[float]:
    model = training.build(recipe, shape, seed=0).model
    return made.whole(torch.cat([p.detach().flatten() for p in model.parameters()]).numpy())


def _trained(recipe: Component, shape: tuple[int, ...]) -> list[float]:
    """Return the weights after one epoch of three batches, in float64."""
    untrained = training.build(recipe, shape, seed=0)
    settings = untrained.training
    detector = made.Detector(untrained.model.double(), settings.loss)
    count = 2 * 3
    rows = ((made.wave((count, *shape), 0.8) + 1) / 2).astype(np.float64)
    optimizer = torch.optim.Adam(detector.model.parameters(), lr=settings.learning_rate)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = torch.Generator().manual_seed(0)
        batches = fitting._pass(rows, generator, 2, detector.device)
        error = fitting._epoch(detector, optimizer, batches)
    weights = torch.cat([p.detach().flatten() for p in detector.model.parameters()])
    return [error, *made.whole(weights.numpy())]


def of_stage(name: str) -> Figures:
    """Return what the engine itself computes: score scale, twins, references, labels."""
    return STAGE[name]()


def _scale() -> Figures:
    scales = {kind: detector for kind, (detector, _) in _clean().items()}
    found = {name: list(vars(one.calibrated).values()) for name, one in scales.items()}
    return found | {"images": list(vars(made.of_images().calibrated).values())}


def _controls() -> Figures:
    found: Figures = {}
    for control in ("initial", "permuted", "loss-ablated"):
        for seed in (0, 1):
            for name, detector in (("rows", made.of_rows()), ("images", made.of_images())):
                twin = controlled(detector, control, seed)
                x = made.rows(3) if name == "rows" else made.images(3)
                found[f"{control} {seed} of {name}"] = made.summary(twin.error_map(x).numpy())
    return found


def _references() -> Figures:
    anomalies = made.anomalies()
    return {
        name: made.summary(references.references.create(name)(anomalies))
        for name in references.references.names()
    }


def _probe() -> Figures:
    asked = _asking(made.of_rows(made.GROUPS))
    found = {f"{share}": made.summary(asked.explain_randomised(share)) for share in (0.3, 0.7, 1.0)}
    figures = {"normal": asked.normal, "error": asked.error(asked.x), "map": asked.attributions}
    return found | {name: made.summary(values) for name, values in figures.items()}


STAGE: dict[str, Callable[[], Figures]] = {
    "autoencoder": _scale,
    "control": _controls,
    "probe": _probe,
    "reference": _references,
}


def of_dataset(name: str) -> Figures:
    """Return the splits of a data set that is made, or read from files that are written here."""
    with tempfile.TemporaryDirectory() as folder:
        written = WRITTEN.get(name, lambda folder: {})(Path(folder))
        plugin = datasets.describe(name)
        found: Figures = {}
        for parameters in [{}, *CASES.get(name, [])]:
            given = {**SMALL.get(name, {}), **written, **parameters}
            data = datasets.create(name, **given)
            found[plugin.write(parameters)] = [
                figure
                for part in (data.train, data.validation, data.test, data.test_truth)
                for figure in ([] if part is None else made.whole(part))
            ]
            found[f"{plugin.write(parameters)} described"] = _described(data.features)
    return found


def _described(features: Features) -> list[float]:
    """Return figures of what columns are called, where they lie, and which belong together."""
    texts = value_digest([features.names, features.kinds])
    bounds = [made.whole(np.ravel(bound)) for bound in (features.low, features.high)]
    groups = made.whole(np.asarray(features.groups or [0]))
    return [int(texts[:8], 16) / 2**32, *bounds[0], *bounds[1], *groups]


def _csv(folder: Path) -> dict[str, Any]:
    table = made.rows(40)
    lines = [",".join(f"c{number}" for number in range(made.COLUMNS)) + ",wrong"]
    lines += [",".join(map(str, row)) + f",{int(i % 9 == 0)}" for i, row in enumerate(table)]
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    return {"path": folder / "rows.csv", "label": "wrong"}


def _pictures(folder: Path) -> dict[str, Any]:
    from PIL import Image

    (folder / "normal").mkdir()
    for number, picture in enumerate(made.images(12)[:, 0]):
        grey = Image.fromarray((picture * 255).astype(np.uint8)).resize((40, 40))
        grey.save(folder / "normal" / f"{number:03}.png")
    return {"path": folder}


WRITTEN: dict[str, Callable[[Path], dict[str, Any]]] = {"file": _csv, "image-folder": _pictures}
SMALL: dict[str, dict[str, Any]] = {
    "defects": {"images": 6, "per_damage": 1, "size": 16, "train_samples": 8},
    "image-folder": {"size": 16, "train_samples": 8, "validation_samples": 4},
    "sql-workload": {"rows": 400, "validation_rows": 100, "test_rows": 200},
}
CASES: dict[str, list[dict[str, Any]]] = {
    "breast-cancer": [{"seed": 1}, {"encoding": "embedding"}],
    "defects": [{"category": "carpet"}, {"category": "transistor"}, {"flips": False, "seed": 1}],
    "digits": [{"anomaly": 3}],
    "file": [
        {"encoding": "embedding"},
        {"split": "time", "window": 3, "by": "patches", "patch": 2},
        {"split": "time", "window": 2, "stride": 2, "scale": "standard"},
    ],
    "image-folder": [{"corners": "mirror"}, {"rotation": 0.0}, {"flips": False}],
    "linear-autoencoder": [{"seed": 1}, {"noise": 0.0}, {"change": 0.1}],
    "perfect-autoencoder": [{"seed": 1}],
    "sql-workload": [
        {"seed": 1},
        {"encoding": "groups"},
        {"encoding": "embedding"},
        {"encoding": "embedding", "columns": 3, "codes": "any"},
        {"intrusions": 0.05},
    ],
    "wine": [{"seed": 1}],
}
FETCHED = {  # read what others have published
    "asd",
    "kddcup99",
    "mvtec",
    "openml",
    "petshop",
    "postgres-log",
    "smd",
}

OF = {
    "explainers": of_explainer,
    "corruptions": of_corruption,
    "metrics": of_metric,
    "autoencoders": of_autoencoder,
    "datasets": of_dataset,
    "stages": of_stage,
}


def names() -> list[tuple[str, str]]:
    """Return each family with each of its components that have figures."""
    found = [(family, name) for family in FAMILIES for name in FAMILIES[family].names()]
    found = [(family, name) for family, name in found if name not in FETCHED]
    return [*found, *(("stages", name) for name in STAGE)]


def version(family: str, name: str) -> str:
    """Return the version that a component declares, with its stage's."""
    if family == "stages":
        return str(STAGES[name])
    plugin = FAMILIES[family].describe(name)
    return f"{STAGES[plugin.family]}.{plugin.version}"


def libraries(name: str) -> dict[str, str]:
    """Return the versions of the libraries that have a part in a component's figures."""
    return {library: metadata.version(library) for library in LIBRARIES.get(name, SEGMENTED)}


def write() -> None:
    """Write all figures."""
    kept: dict[str, dict[str, Any]] = {}
    for family, name in names():
        print(family, name, flush=True)
        figures = {case: [float(f"{f:.10g}") for f in v] for case, v in OF[family](name).items()}
        kept.setdefault(family, {})[name] = {
            "version": version(family, name),
            "libraries": libraries(name) if family == "explainers" else {},
            "figures": figures,
        }
    PATH.write_text(_text(kept), encoding="utf-8")


def _text(kept: dict[str, dict[str, Any]]) -> str:
    """Return JSON with one line a case, so that a change shows as one."""
    text = json.dumps(kept, indent=1, ensure_ascii=False)
    return re.sub(r"\[[^][{}]*\]", lambda numbers: " ".join(numbers[0].split()), text) + "\n"
