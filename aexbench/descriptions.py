"""What is known of a component, in parts that people read: `aexbench show` prints them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterator
from itertools import islice
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NamedTuple,
    Union,
    get_args,
    get_origin,
)

from aexbench import specs
from aexbench.declarations import DatasetDeclaration, ExplainerDeclaration, MetricDeclaration
from aexbench.docstrings import described, sections
from aexbench.errors import plain
from aexbench.families import asks, metrics
from aexbench.registry import Plugin
from aexbench.signatures import REQUIRED, Parameter

if TYPE_CHECKING:
    from aexbench.fetching.downloads import Download

SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}  # of annotated_types
EXAMPLES = {
    "explainer": "aexbench run -d {data}{plugin} -e residual -e {name}",
    "data set": "aexbench run{plugin} -d {name}",
    "corruption": "aexbench run -d {data}{plugin} -c {name}",
    "metric": "aexbench score STORE{plugin} -m {name}",
    "probe": "aexbench run -d wine{plugin} -m recall -m {name}",
    "reference": "aexbench run -d wine   # it is on every board",
    "autoencoder": "detectors = [{quoted}]   # in a suite's file",
}
DATA = {"images": "digits", "series": "'smd[window=32]'"}  # to try on what takes these alone


class Setting(NamedTuple):
    """A parameter: how it is written, which values it takes, and what it does."""

    written: str
    kind: str
    text: str


class Shown(NamedTuple):
    """A component's parts."""

    title: str
    text: str
    settings: list[Setting]
    declared: dict[str, str]
    source: str
    example: str
    code: str


def shown(plugin: Plugin[Any]) -> Shown:
    """Return what is known of a component.

    >>> from aexbench import families
    >>> recall = shown(families.metrics.describe("recall"))
    >>> recall.title, recall.example
    ('recall, a metric', "aexbench score STORE -m 'recall[top=1]'")
    """
    parts = sections(plugin.target.__doc__)
    texts = described(plugin.target.__doc__)
    settings = [_setting(one, texts) for one in plugin.parameters.values()]
    article = "an" if plugin.family[0] in "aeiou" else "a"
    return Shown(
        f"{plugin.name}, {article} {plugin.family}",
        parts[""],
        settings,
        dict(_declared(plugin)),
        plugin.source,
        _example(plugin),
        parts.get("Examples", ""),
    )


def _setting(parameter: Parameter, texts: dict[str, str]) -> Setting:
    needed = parameter.default is REQUIRED
    value = "..." if needed else _value(parameter.default)
    text = texts.get(parameter.name) or _shared(parameter)
    kind = kind_of(parameter.annotation)
    return Setting(f"{parameter.name}={value}", f"{kind}; needed" if needed else kind, text)


def _shared(parameter: Parameter) -> str:
    """Return what the dataclass says of a parameter that several plugins share."""
    if parameter.part_of is None:
        return ""
    return described(type(parameter.part_of[1]).__doc__).get(parameter.name, "")


def _value(value: object) -> str:
    """Return a default as it is written in brackets."""
    if isinstance(value, tuple | list | set | frozenset):
        return f"[{', '.join(map(_value, value))}]"
    if value is None or isinstance(value, bool | int | float | str):
        return plain(value) if isinstance(value, str) and value else json.dumps(value)
    return plain(str(value))


def kind_of(annotation: Any) -> str:
    """Return which values a type takes, in words.

    >>> kind_of(Literal["l1", "l2"] | None), kind_of(tuple[int, ...])
    ('l1 | l2 | null', 'list of int')
    """
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return f"{kind_of(parts[0])}{_bounds(parts[1:])}"
    if origin is Literal:
        return " | ".join(map(_value, parts))
    if origin in (Union, UnionType):
        return " | ".join(map(kind_of, parts))
    if isinstance(origin, type) and issubclass(origin, Collection) and origin is not dict:
        return f"list of {kind_of(parts[0])}"
    if annotation is type(None):
        return "null"
    if annotation is Any:
        return "anything"
    return str(getattr(annotation, "__name__", annotation))


def _bounds(marks: tuple[Any, ...]) -> str:
    """Return the bounds of a number, as `annotated_types` say them."""
    pairs = [(sign, getattr(mark, name, None)) for mark in marks for name, sign in SIGNS.items()]
    return ",".join(f" {sign} {bound:g}" for sign, bound in pairs if bound is not None)


def _declared(plugin: Plugin[Any]) -> Iterator[tuple[str, str]]:
    """Yield what a component declares beside its parameters."""
    declared = plugin.declaration
    yield "version", str(declared.version or "none: it is known by its source")
    if isinstance(declared, MetricDeclaration):
        yield "better", "higher" if declared.higher_is_better else "lower"
        yield "scores", "one for all samples" if declared.pooled else "one for each sample"
        if asks(plugin):
            yield "asks", "the explainer and the model, in cells of its own"
    alone = "" if isinstance(declared, DatasetDeclaration) else " and ".join(_alone(plugin))
    if isinstance(declared, ExplainerDeclaration) and declared.floor:
        yield "floor", f"of {alone}" if alone else "yes"
    elif alone:
        yield "takes", f"{alone} alone"
    if isinstance(declared, ExplainerDeclaration) and declared.own_error:
        yield "error", "compares x with x̂ itself: no loss-ablated form"
    if isinstance(declared, DatasetDeclaration):
        yield "images", {True: "yes", False: "no", None: "as its samples are"}[declared.images]
        yield "licence", declared.licence
        if declared.download:
            yield "data", _fetched(plugin.name, declared.download)


def _alone(plugin: Plugin[Any]) -> list[str]:
    """Return which kinds of samples an explainer or a corruption takes, if not all."""
    return [kind for kind in DATA if getattr(plugin.declaration, kind, False)]


def _fetched(name: str, download: Download) -> str:
    """Return how one gets at data."""
    if download.get("by_hand"):
        return f"fetched by hand: {download['page']}"
    return f"aexbench data get {name}"


def _example(plugin: Plugin[Any]) -> str:
    """Return a line to type, with the parameters that are needed, or else the first one."""
    parameters = list(plugin.parameters.values())
    needed = {one.name: "..." for one in parameters if one.default is REQUIRED}
    plain_ones = (one for one in parameters if isinstance(one.default, int | float | str))
    name = specs.write(plugin.name, needed or {o.name: o.default for o in islice(plain_ones, 1)})
    kind = next(iter(_alone(plugin)), "rows")
    return to_type(plugin.family, name, data=DATA.get(kind, "wine"))


def to_type(family: str, name: str, file: str = "", data: str = "wine") -> str:
    """Return a line to type with a component, which a plugin file registers if one is named, on a
    data set if it needs one.

    >>> to_type("metric", "recall[top=3]", "my file.py")
    "aexbench score STORE --plugin 'my file.py' -m 'recall[top=3]'"
    """
    plugin = f" --plugin {shlex.quote(file)}" if file else ""
    line = EXAMPLES["probe" if family == "metric" and _asks(name) else family]
    return line.format(name=shlex.quote(name), quoted=json.dumps(name), plugin=plugin, data=data)


def _asks(metric: str) -> bool:
    """Whether a metric asks the model, so that scores cannot be derived without a run."""
    base = metric.partition("[")[0]
    return base in metrics.names() and asks(metrics.describe(base))
