"""Suites: TOML files that declare the axes of a matrix, and the cells that follow from them."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import resources
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aexbench import families, specs
from aexbench.components import Component, Entry, component, read_entry, title_of
from aexbench.declarations import Kind, kind_of
from aexbench.digests import check_plain, value_digest
from aexbench.errors import AbsentError, RequestError, short, tell, unknown
from aexbench.loading.places import parse
from aexbench.registry import Registry
from aexbench.running import references, variants
from aexbench.running.cells import DEFAULT, Cell, Role
from aexbench.running.controls import ABLATED, TWINS, Control
from aexbench.running.probing import probes_of
from aexbench.running.references import LABELS
from aexbench.versions import stage

Look = Callable[[Component], Kind]
AXES = ("datasets", "detectors", "corruptions", "explainers", "metrics")
FILLED = (*AXES, "curve")  # where entries may name parameters
MOST = 100_000  # characters of a suite; longer ones may take long to be read
Axis = Annotated[list[Entry], Field(min_length=1)]


class Suite(BaseModel):
    """The axes of a matrix. An entry is a name with brackets or a table `{name = …, parameter =
    …}`, whose `title` is what people see in its place.

    `why` says why the first metric is the one that ranks; `seeds` is a number n (seeds 0 … n − 1)
    or a list; `twins` says how many untrained twins of each kind every explainer meets;
    `controls = false` leaves out twins, loss-ablated forms, floors and references; `timeout` is how
    many seconds an explainer may take for a cell; `curve` names metrics that are scored beside the
    others for a curve over them, and have no column on boards; `skip_absent` leaves out data sets
    that are not here, and says how they are fetched; `model` names a trained model that stands in
    the place of `detectors`, as `aexbench.loading.load` reads it. `parameters` are values that
    entries name in braces, `{rows}`, and that brackets behind the suite's name change.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*$", max_length=100)  # names files
    description: str = ""
    notes: str = ""
    why: str = ""
    datasets: Axis
    corruptions: Axis
    explainers: Axis
    detectors: Axis = ["default"]
    metrics: Axis = ["recall[top=1]", "recall[top=3]"]
    curve: list[Entry] = []
    seeds: (
        Annotated[int, Field(ge=1, le=1000)]
        | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    ) = 1
    twins: Annotated[int, Field(ge=0, le=100)] = 5
    timeout: Annotated[float, Field(gt=0)] | None = None
    controls: bool = True
    skip_absent: bool = False
    model: str | None = None
    parameters: dict[str, variants.Value] = {}

    @property
    def folder(self) -> str:
        """The name of the folder that its results go to, another one for each model."""
        own = "" if self.model is None else re.sub(r"[^\w.-]+", "-", parse(self.model).words)
        return f"{self.name}-{own}" if own else self.name

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


def load(asked: str) -> Suite:
    """Return a suite by its name, or from the path of a TOML file; brackets behind it change its
    parameters.
    """
    name, given = variants.split(asked)
    path: Any = Path(name)
    if name in bundled():
        path = _folder() / f"{name}.toml"
    elif not os.path.isfile(name):  # nor is what is too long for a path
        if path.suffix == ".toml" or len(path.parts) > 1:
            raise RequestError(f"there is no suite file {name}")
        raise unknown("suite", name, bundled())
    try:
        text = path.read_text(encoding="utf-8-sig")
        if len(text) > MOST:
            raise RequestError(f"{name} is no suite: it is too long")
        values = tomllib.loads(text)
        if isinstance(declared := values.get("parameters"), dict):
            variants.check_declared(declared, [values.get(place) for place in FILLED], name)
        return from_values(values, name, given)
    except UnicodeDecodeError:
        raise RequestError(f"{name} is no TOML, which is UTF-8: save it as that") from None
    except RecursionError:
        raise RequestError(f"{name} is no suite: it is nested too deeply") from None
    except ValueError as error:  # no TOML, or an integer of thousands of digits
        if isinstance(error, RequestError):
            raise
        raise RequestError(f"{name} is no TOML: {error}") from None


def spelled(name: str, parameters: object) -> str:
    """Return how a suite of aexbench is asked for that a plan names, with its parameters in
    brackets where it is a variant; nothing for another suite.
    """
    given: Mapping[Any, Any] = parameters if isinstance(parameters, Mapping) else {}
    for base in bundled():
        with suppress(RequestError):  # a stranger's plan may hold anything
            declared = load(base).parameters
            own = {k: given[k] for k, v in declared.items() if given.get(k, v) != v}
            text = specs.write(base, own)
            if load(text).name == name:
                return text
    return ""


def from_values(
    values: dict[str, Any], origin: str, given: Mapping[str, object] = MappingProxyType({})
) -> Suite:
    """Return a suite from the values of its file, and of the parameters that are `given`; an
    unknown key or a wrong type is one clear line.
    """
    for key in values:
        if key not in Suite.model_fields:
            raise unknown(f"key of suite {origin}", key, Suite.model_fields)
    try:
        check_plain(values)
    except ValueError as error:
        raise RequestError(f"suite {origin}: {error}") from None
    if values.get("model") and values.get("detectors", [DEFAULT]) != [DEFAULT]:
        raise RequestError(
            f"suite {origin}: model stands in the place of detectors: leave one of them out"
        )
    try:
        suite = Suite.model_validate(values)  # types are right from here
        if given or suite.parameters:
            suite = Suite.model_validate(_filled(variants.varied(values, given, origin), origin))
        return _titled(suite, origin)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(
            str(part)
            for part in first["loc"]
            if not str(part).startswith(("constrained", "function"))
        )
        raise RequestError(f"suite {origin}: {place}: {first['msg']}") from None


def _filled(values: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """Return a suite's values with those of its parameters in the entries that name them."""
    parameters = values.get("parameters", {})
    own = {
        place: variants.filled(values[place], parameters, origin)
        for place in FILLED
        if place in values
    }
    return {**values, **own}


def _titled(suite: Suite, origin: str) -> Suite:
    """Return a suite whose titles are texts, no two of an axis alike."""
    for axis in AXES:
        entries: list[Entry] = getattr(suite, axis)
        titles = [title_of(entry) for entry in entries]
        called = [title or entry for title, entry in zip(titles, entries, strict=True)]
        for title in filter(None, titles):
            if called.count(title) > 1:
                raise RequestError(f"suite {origin}: two {axis} are called {short(title)}")
    return suite


def metric_components(suite: Suite) -> list[Component]:
    """Return the suite's metrics, checked, and those of its curve that are not among them."""
    own = [component(families.metrics, entry) for entry in suite.metrics]
    names = {made.text for made in own}
    curve = (component(families.metrics, entry) for entry in suite.curve)
    return [*own, *(made for made in curve if made.text not in names)]


def plan(suite: Suite, look: Look | None = None, network: Component | None = None) -> list[Cell]:
    """Return the suite's cells, each once, those that share a data set, a detector and an anomaly
    set together.

    Parameters
    ----------
    suite
        Its axes.
    look
        Looks what a data set's samples are, for the floors that apply; asked where its plugin does
        not declare it. Without it the data set is made for a look.
    network
        The trained model that the suite names, if it names one: there is one of it, whatever the
        seed of the anomalies.
    """
    sources = datasets(suite)
    named = [explainer(entry) for entry in suite.explainers]
    corruptions = [corruption(entry) for entry in suite.corruptions]
    probes = probes_of(metric_components(suite))
    cells: dict[str, Cell] = {}
    for dataset in sources:
        kind = _kind(dataset, look)
        explained = [*named, *(standing(kind) if suite.controls else [])]
        own = (detector(entry, kind == "images") for entry in suite.detectors)
        trained_on = [network] if network else list(own)
        for trained, seed, changed in product(trained_on, suite.seed_list, corruptions):
            draw = Draw(dataset, trained, 0 if network else seed, changed, seed)
            for cell in draw.cells(explained, suite.twins if suite.controls else None, probes):
                cells.setdefault(cell.key, cell)  # what a suite names has its title
    return list(cells.values())


def datasets(suite: Suite) -> list[Component]:
    """Return the suite's data sets; those that are not here are left out and told, if the suite
    says so and there are others.
    """
    found, absent = [], []
    for entry in suite.datasets:
        try:
            found.append(component(families.datasets, entry))
        except AbsentError as error:
            absent.append((title_of(entry) or entry, error))
    if absent and not (suite.skip_absent and found):
        raise absent[0][1]
    for name, why in absent:
        tell(f"{name} is left out: {why}")
    return found


class Draw(NamedTuple):
    """One anomaly set to be: what is corrupted on which detector, with which seeds."""

    dataset: Component
    detector: Component
    detector_seed: int
    corruption: Component
    seed: int

    def cells(
        self,
        explainers: Iterable[Component],
        twins: int | None,
        probes: Sequence[Component] = (),
    ) -> Iterator[Cell]:
        """Yield the cells of explainers on it, their controls unless `twins` is None, and what
        probes ask of them; nobody can ask a reference about other samples than these.
        """
        for made in explainers:
            for control, control_seed in _controls(made, twins):
                version = 0 if control == "none" else stage("control")
                on = {"control": control, "control_seed": control_seed, "control_version": version}
                yield self.cell(made, **on)
            if made.plugin.registry is not references.references:
                yield from (self.cell(made, probe=probe) for probe in probes)

    def cell(self, explainer: Component, **on: Any) -> Cell:
        """Return the cell of an explainer on it, on a control or with a probe."""
        return Cell(
            dataset=self.dataset,
            detector=self.detector,
            corruption=self.corruption,
            explainer=explainer,
            detector_seed=self.detector_seed,
            anomaly_seed=self.seed,
            explainer_seed=self.seed,
            **on,
        )


def explainer(entry: Entry) -> Component:
    """Return an explainer, or what the engine itself puts in its place, such as `oracle`.

    A seed counts only where it is given: each cell has its own.
    """
    name, _ = read_entry(entry)
    registry: Registry[Any, Any] = families.explainers
    if name in references.references.names():
        registry = references.references
    return component(registry, entry, leave_out=frozenset({"seed"}))


def corruption(entry: Entry) -> Component:
    """Return a corruption, or `labels`: the data set's own anomalies."""
    name, _ = read_entry(entry)
    return component(references.labels if name == LABELS else families.corruptions, entry)


def detector(entry: Entry, images: bool) -> Component:
    """Return an autoencoder, or `default`: the own one of a data set, of images or of other data,
    with parameters changed.
    """
    name, given = read_entry(entry)
    if name != DEFAULT:
        return component(families.autoencoders, entry)
    version, text = _default_version(images), specs.write(name, given)
    made = Component(name=name, parameters=given, version=version, text=text)
    return made.titled(title_of(entry))


def _default_version(images: bool) -> str:
    """Return the version of whatever a data set names as its own: all autoencoders for its kind of
    data count, as long as nobody knows which; those at their first version add nothing.
    """
    registry = families.autoencoders
    known = [registry.describe(name) for name in registry.names()]
    fitting = [one for one in known if one.declaration.images in (None, images)]
    later = {one.name: one.version for one in fitting if one.version != "1"}
    first = str(stage(registry.family))
    return f"{first}.{value_digest(later)[:12]}" if later else first


def standing(kind: Kind) -> list[Component]:
    """Return what stands on every board of such samples: references and floors."""
    names = []
    for registry in (references.references, families.explainers):
        declared = {name: registry.describe(name).declaration for name in registry.names()}
        names += [name for name, one in declared.items() if one.stands_on(kind)]
    return [explainer(name) for name in names]


def role(made: Component) -> Role:
    """Return what an explainer is on a board: one that is ranked, a floor, or a reference."""
    found: Role = made.plugin.declaration.role
    return found


def own_error(made: Component) -> bool:
    """Whether an explainer compares x with x̂ itself, so that it has no loss-ablated form."""
    return bool(getattr(made.plugin.declaration, "own_error", False))


def _kind(dataset: Component, look: Look | None) -> Kind:
    """Return what a data set's samples are, by its declaration or else by a look at them."""
    declared: Kind | None = dataset.plugin.declaration.kind(dataset.arguments)
    if declared is not None:
        return declared
    return kind_of(tuple(dataset.make().train.shape[1:])) if look is None else look(dataset)


def _controls(made: Component, twins: int | None) -> Iterator[tuple[Control, int]]:
    """Yield the trained detector, and the controls where the explainer depends on the detector at
    all; a loss-ablated form, where it asks for the error.
    """
    yield "none", 0
    if twins is None or role(made) != "explainer":
        return
    if not own_error(made):
        yield ABLATED, 0
    yield from product(TWINS, range(twins))


def _folder() -> Any:
    return resources.files("aexbench.suites")
