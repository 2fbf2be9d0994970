"""What a factory in a Python file makes: `module.py:factory[weights=FILE,…]`."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from aexbench.beside import file_source_digest
from aexbench.contents import content_digest, is_library
from aexbench.digests import value_digest
from aexbench.errors import RequestError, line, unknown
from aexbench.loading import weights
from aexbench.loading.making import module_of
from aexbench.loading.opaque import Opaque
from aexbench.loading.parts import OPTIONS, Made, Wanted, counted, source
from aexbench.loading.places import Place
from aexbench.state import seeded

WEIGHTS = "weights"


def made(place: Place, wanted: Wanted) -> Made:
    """Return the model that a factory makes, with its weights.

    What the factory draws is drawn from seed 0: a network without weights is the same each time.
    """
    if not place.factory:
        raise _no_factory(place)
    path = place.path.resolve()
    with importable(path.parent):
        factory = _factory(place, executed(path))
        own, options = _shared_out(place, factory)
        file = own.pop(WEIGHTS, None) if WEIGHTS not in _known(factory) else None
        with seeded(0, torch.device("cpu")):
            found = _called(place, factory, own)
        module = _module(place, found, file)
    parts = [file_source_digest(path, path.stem), place.factory, counted(own)]
    digest = source("python", *parts, _of_function(module))
    return Made(module.to(wanted.device).eval(), options, digest)


def executed(path: Path) -> ModuleType:
    """Run a Python file as a module of a name that no other file has.

    It is compiled from its text each time: Python's own cache may hold that of a second ago.
    """
    name = f"aexbench_model_{path.stem}_{value_digest(str(path))[:12]}"
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses and pickle look there
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        raise RequestError(f"{path.name} cannot be imported: {line(error)}") from error
    return module


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Let modules be imported from a folder, which are forgotten in the end: another folder may
    have other ones of the same names.
    """
    path, hidden = list(sys.path), _forgotten(folder)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = path
        _forgotten(folder)
        sys.modules.update(hidden)


def _forgotten(folder: Path) -> dict[str, ModuleType]:
    """Take modules that a folder has, too, out of those that are imported; libraries stay."""
    own = {entry.stem if entry.suffix == ".py" else entry.name for entry in folder.iterdir()}
    names = [n for n in sys.modules if n.partition(".")[0] in own and not is_library(n)]
    return {name: sys.modules.pop(name) for name in names}


def _no_factory(place: Place) -> RequestError:
    names = _defined(place.path)
    first = names[0] if names else "build"
    return RequestError(
        f"{place.path} holds Python: say which function or class makes the model, such as "
        f"{place.path}:{first}. Defined there: {', '.join(names) or 'none'}"
    )


def _defined(path: Path) -> list[str]:
    """Return the functions and classes that a file defines, without running it."""
    try:
        nodes = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError):
        return []
    kinds = ast.FunctionDef | ast.ClassDef
    return [n.name for n in nodes if isinstance(n, kinds) and not n.name.startswith("_")]


def _factory(place: Place, module: ModuleType) -> Any:
    found = vars(module).get(place.factory)
    if found is None:
        raise unknown(f"factory of {place.path.name}", place.factory, _defined(place.path))
    return found


def _known(factory: Any) -> dict[str, inspect.Parameter]:
    """Return the parameters that a factory takes by name."""
    if not _makes(factory):
        return {}
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):  # of compiled code
        return {}
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: one for name, one in parameters.items() if one.kind in named}


def _makes(factory: Any) -> bool:
    """Whether it is called to make the model, and is not the model itself."""
    return inspect.isroutine(factory) or isinstance(factory, type | functools.partial)


def _shared_out(place: Place, factory: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters of the factory, and those of the Detector that it does not take."""
    known = _known(factory)
    options = {n: v for n, v in place.parameters.items() if n in OPTIONS and n not in known}
    return {n: v for n, v in place.parameters.items() if n not in options}, options


def _called(place: Place, factory: Any, parameters: Mapping[str, Any]) -> Any:
    """Return what a factory makes of its parameters."""
    if not _makes(factory) and not parameters:
        return factory
    _check(place, factory, parameters)
    try:
        return factory(**parameters)
    except Exception as error:
        raise RequestError(f"{place.words} fails: {line(error)}") from error


def _check(place: Place, factory: Any, parameters: Mapping[str, Any]) -> None:
    """Raise RequestError for parameters that a factory does not take, or wants."""
    known = _known(factory)
    for name in parameters:
        if name not in known and not _takes_all(factory):
            raise unknown(f"parameter of {place.words}", name, [*known, WEIGHTS])
    for name, one in known.items():
        if one.default is one.empty and name not in parameters:
            raise RequestError(
                f"{place.words} wants {name}: write {place.words}[{name}=…], if it makes the model;"
                " a function x -> x̂ itself is what a factory returns"
            )


def _takes_all(factory: Any) -> bool:
    kinds = [one.kind for one in inspect.signature(factory).parameters.values()]
    return inspect.Parameter.VAR_KEYWORD in kinds


def _module(place: Place, found: Any, file: object) -> torch.nn.Module:
    """Return what was made as a module, with weights from a file."""
    try:
        module = module_of(found)
    except RequestError as error:
        raise RequestError(f"what {place.words} returns: {error}") from error
    if file is None:
        return module
    if not isinstance(found, torch.nn.Module):
        raise RequestError(
            f"weights are those of a torch module, and {place.words} makes a "
            f"{type(found).__name__}: give it the file as a parameter of its own"
        )
    weights.load_into(module, _file(place, str(file)))
    return module


def _file(place: Place, name: str) -> Path:
    """Return a file of weights; where only the model's folder has it, the error says so."""
    beside = place.path.parent / name
    if not Path(name).is_file() and beside.is_file():
        raise RequestError(f"there is no file {name} here: write weights={beside}")
    return Path(name)


def _of_function(module: torch.nn.Module) -> str:
    """Return the digest of a function with what it holds; none where that cannot be read."""
    if not isinstance(module, Opaque):
        return ""
    once, again = content_digest(module.function), content_digest(module.function)
    return once if once == again else ""
