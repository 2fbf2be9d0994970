"""Suites: TOML files that declare the axes of a matrix, and the cells that follow from them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aexbench import families, specs
from aexbench.digests import engine_source
from aexbench.errors import RequestError, unknown
from aexbench.running import references
from aexbench.running.cells import Cell, Component, Entry, Role, component, read_entry
from aexbench.running.controls import TWINS, Control

Axis = Annotated[list[Entry], Field(min_length=1)]


class Suite(BaseModel):
    """The axes of a matrix. An entry is a name with brackets or a table `{name = …, parameter =
    …}`.

    `seeds` is a number n (seeds 0 … n − 1) or a list; `twins` says how many untrained twins of each
    kind every explainer meets; `controls = false` leaves out twins, loss-ablated forms, floors and
    references.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*$")
    description: str = ""
    notes: str = ""
    datasets: Axis
    corruptions: Axis
    explainers: Axis
    detectors: Axis = ["default"]
    metrics: Axis = ["recall[top=1]", "recall[top=3]"]
    seeds: (
        Annotated[int, Field(ge=1, le=1000)]
        | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    ) = 1
    twins: Annotated[int, Field(ge=0, le=100)] = 5
    controls: bool = True

    @property
    def seed_list(self) -> list[int]:
        """The seeds, one by one."""
        return list(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds


def bundled() -> list[str]:
    """Return the names of the suites that come with aexbench."""
    return sorted(
        path.name.removesuffix(".toml")
        for path in _folder().iterdir()
        if path.name.endswith(".toml")
    )


def load(name: str) -> Suite:
    """Return a suite by its name, or from the path of a TOML file."""
    path: Any = Path(name)
    if name in bundled():
        path = _folder() / f"{name}.toml"
    elif not path.is_file():
        if path.suffix == ".toml" or len(path.parts) > 1:
            raise RequestError(f"there is no suite file {name}")
        raise unknown("suite", name, bundled())
    try:
        return from_values(tomllib.loads(path.read_text(encoding="utf-8")), str(name))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"{name} is no TOML: {error}") from None


def from_values(values: dict[str, Any], origin: str) -> Suite:
    """Return a suite from the values of its file; an unknown key or a wrong type is
    one clear line.
    """
    for key in values:
        if key not in Suite.model_fields:
            raise unknown(f"key of suite {origin}", key, Suite.model_fields)
    try:
        return Suite.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(
            str(part)
            for part in first["loc"]
            if not str(part).startswith(("constrained", "function"))
        )
        raise RequestError(f"suite {origin}: {place}: {first['msg']}") from None


def metric_components(suite: Suite) -> list[Component]:
    """Return the suite's metrics, checked."""
    return [component(families.metrics, entry) for entry in suite.metrics]


def plan(suite: Suite) -> list[Cell]:
    """Return the suite's cells, each once, those that share a data set, a detector and an anomaly
    set together.
    """
    axes = (
        [component(families.datasets, entry) for entry in suite.datasets],
        [_detector(entry) for entry in suite.detectors],
        suite.seed_list,
        [_corruption(entry) for entry in suite.corruptions],
    )
    named = list(_explainers(suite))
    explainers = {dataset.key: [*named, *_floors(suite, dataset)] for dataset in axes[0]}
    cells = {}
    for dataset, detector, seed, corruption in product(*axes):
        for explainer in explainers[dataset.key]:
            for control, control_seed in _controls(suite, explainer):
                cell = Cell(
                    dataset=dataset,
                    detector=detector,
                    corruption=corruption,
                    explainer=explainer,
                    control=control,
                    control_seed=control_seed,
                    control_source="" if control == "none" else engine_source("control"),
                    detector_seed=seed,
                    anomaly_seed=seed,
                    explainer_seed=seed,
                )
                cells[cell.key] = cell
    return list(cells.values())


def role(explainer: Component) -> Role:
    """Return what an explainer is on a board: one that is ranked, a floor, or a reference."""
    if explainer.name in references.REFERENCES:
        return "floor" if explainer.name in references.FLOORS else "reference"
    return (
        "floor"
        if families.explainers.describe(explainer.name).declaration["floor"]
        else "explainer"
    )


def _explainers(suite: Suite) -> Iterator[Component]:
    """Yield the suite's explainers and, with controls, every reference."""
    for entry in [*suite.explainers, *(references.REFERENCES if suite.controls else [])]:
        name, given = read_entry(entry)
        if name in references.REFERENCES:
            yield _engine_component(name, given, engine_source("reference"))
        else:
            yield component(families.explainers, entry, leave_out=frozenset({"seed"}))


def _floors(suite: Suite, dataset: Component) -> Iterator[Component]:
    """Yield the floors that stand on every board of such data, with controls."""
    images = families.datasets.describe(dataset.name).declaration["images"]
    for name in families.explainers.names() if suite.controls else ():
        declaration = families.explainers.describe(name).declaration
        if declaration["floor"] and (images or not declaration["images"]):
            yield component(families.explainers, name, leave_out=frozenset({"seed"}))


def _corruption(entry: Entry) -> Component:
    name, given = read_entry(entry)
    if name == references.LABELS:
        return _labels(given)
    return component(families.corruptions, entry)


def _labels(given: dict[str, Any]) -> Component:
    """Return the component of the data set's own anomalies; `labels[count=100]` takes a sample of
    them.
    """
    for key in given:
        if key != "count":
            raise unknown("parameter of labels", key, ["count"])
    count = given.get("count")
    if count is not None and not (type(count) is int and count >= 1):
        raise RequestError(f"labels: count={count!r} is wrong: a whole number of at least 1")
    text = specs.write(references.LABELS, given)
    return Component(
        name=references.LABELS, parameters=given, source=engine_source("reference"), text=text
    )


def _detector(entry: Entry) -> Component:
    """Return a detector's component; `default` leaves it to the data set, whose
    source counts too.
    """
    from aexbench.autoencoders import autoencoders  # imports torch

    name, given = read_entry(entry)
    if name != "default":
        return component(autoencoders, entry)
    source = engine_source(autoencoders.family)
    return Component(name=name, parameters=given, source=source, text=specs.write(name, given))


def _engine_component(name: str, given: dict[str, Any], source: str) -> Component:
    """Return a component that the engine itself provides; it takes no parameters."""
    if given:
        raise RequestError(f"{name} takes no parameters; got {', '.join(given)}")
    return Component(name=name, parameters={}, source=source, text=name)


def _controls(suite: Suite, explainer: Component) -> Iterator[tuple[Control, int]]:
    """Yield the trained detector, and the controls where the explainer depends on the detector at
    all.
    """
    yield "none", 0
    if not suite.controls or role(explainer) != "explainer":
        return
    yield "loss-ablated", 0
    yield from product(TWINS, range(suite.twins))


def _folder() -> Any:
    return resources.files("aexbench.suites")
