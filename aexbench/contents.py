"""Digests of what is given as Python objects: functions, classes, and whatever they hold or name.

They name the results of explainers that declare no version, and of detectors that are given. Where
two might compute different things, their digests differ; addresses never count, nor does the place
of the file that defines a function.
"""

from __future__ import annotations

import contextlib
import copyreg
import dis
import functools
import hashlib
import importlib.util
import inspect
import logging
import os
import pickle
import secrets
import sys
import types
import weakref
from collections.abc import Callable, Iterable, Iterator
from importlib.machinery import PathFinder
from pathlib import Path, PurePath
from typing import Any

from aexbench.beside import LOADERS, imported_names, said_in
from aexbench.digests import file_digest, text_digest, value_digest

# Known by their names: what they do in other versions stands in the provenance of results.
LIBRARIES = sys.stdlib_module_names | {"aexbench", "numpy", "pandas", "scipy", "sklearn", "torch"}
INSTALLED = {"site-packages", "dist-packages"}
PLAIN = (bool, int, float, complex, str, type(None), type(...), type(NotImplemented))
OF_MODULES = {"__name__", "__package__", "__spec__", "__loader__", "__builtins__"}


def content_digest(value: object) -> str:
    """Return the digest of what a value holds, or of what a function or a class does.

    - A function counts by its source, or else its compiled code; by its defaults, its attributes
      and what it closes over; and by the contents of the globals that it names, of helper
      functions too. Of a module, those members count that it names; of one's own that it imports
      only when it runs the files, and those of one's own that these import.
    - A class counts by its functions and attributes, and by its bases.
    - Arrays and tensors count by their numbers; other objects by their class and by what `pickle`
      and `vars` find in them.
    - Of a path that names a file the content counts, of another one its text; not that of a file
      whose name is held as a text.
    - torch, numpy, this package and their like count by names, whatever is in them; what other
      libraries define by their version and its source, not by what that names.

    What cannot be read (a lock, a generator, an open file) counts as something never seen before:
    its digest matches no other, and nothing that depends on it is used again.

    >>> content_digest(lambda x: x + 1) == content_digest(lambda x: x + 2)
    False
    """
    return _Walk().digest(value)


class _Walk:
    """One walk through all that a value holds: everything once, in an order that runs share."""

    def __init__(self) -> None:
        self.done: dict[int, str] = {}
        self.above: list[int] = []  # what holds the present value
        self.alive: list[Any] = []  # so that no address is given to another value meanwhile
        self.home = ""  # the folder of the function whose globals are read

    def digest(self, value: Any) -> str:
        """Return the digest of a value; of one that holds itself, how far up that is."""
        place = id(value)
        if type(value) in PLAIN:
            return value_digest([type(value).__name__, self._plain(value)])
        if place in self.above:
            return f"{len(self.above) - self.above.index(place)} up"
        if place not in self.done:
            self.above.append(place)
            self.alive.append(value)
            self.done[place] = self._found(value)
            self.above.pop()
        return self.done[place]

    def _found(self, value: Any) -> str:
        try:
            return value_digest([type(value).__qualname__, self._described(value)])
        except Exception:  # others' objects may raise anything; and RecursionError
            return secrets.token_hex(16)

    def _plain(self, value: Any) -> str:
        if isinstance(value, str):
            return repr(self._moved(value))
        return hex(value) if type(value) is int else repr(value)  # of any number of digits

    def _moved(self, text: str) -> str:
        """Return a text without the folder of the function that names it."""
        return text.removeprefix(self.home)

    def _described(self, value: Any) -> Any:
        exact = EXACT.get(type(value))
        if exact is not None:
            return exact(self, value)
        for kinds, describe in KINDS:
            if isinstance(value, kinds):
                return describe(self, value)
        tensor = hasattr(type(value), "detach") and hasattr(type(value), "numpy")
        return self._tensor(value) if tensor else self._object(value)

    def _members(self, value: Any) -> list[str]:
        return [self.digest(member) for member in value]

    def _set(self, value: Any) -> list[str]:
        """Each member in a walk of its own: their order is another one in every process."""
        own = self._members([vars(value)]) if hasattr(value, "__dict__") else []
        return [self.digest(type(value)), *own, *sorted(_Walk().digest(one) for one in value)]

    def _mapping(self, value: Any) -> list[list[str]]:
        return [[self.digest(key), self.digest(held)] for key, held in value.items()]

    def _tensor(self, value: Any) -> list[Any]:
        """A tensor's bits, whatever numpy knows of its type; a sparse one's places and values."""
        tensor = value.detach().cpu()
        if "sparse" in str(tensor.layout):
            tensor = tensor.to_sparse_coo().coalesce()
            parts = [tensor.indices(), tensor.values()]
            return [str(value.layout), list(tensor.shape), self._members(parts)]
        if tensor.is_quantized:
            tensor = tensor.dequantize()
        flat = tensor.to_dense().resolve_conj().resolve_neg().contiguous().flatten()
        bits = hashlib.sha256(flat.view(sys.modules["torch"].uint8).numpy()).hexdigest()
        return [str(value.dtype), list(tensor.shape), bits]

    def _object(self, value: Any) -> list[Any]:
        """What pickle takes of an object, and its attributes where its own class tells pickle."""
        kind = type(value)
        attributes = _sorted(getattr(value, "__dict__", None))
        if hasattr(kind, "named_modules"):  # of torch: some refuse to be pickled
            return self._members([kind, attributes])
        reduce = copyreg.dispatch_table.get(kind)
        parts = reduce(value) if reduce is not None else value.__reduce_ex__(4)
        if isinstance(parts, str):
            return _global(value, parts)
        make, arguments, state, items, pairs = (*parts, None, None, None)[:5]
        held = [kind, make, arguments, _sorted(state), list(items or ()), list(pairs or ())]
        return self._members(held if is_library(kind.__module__) else [*held, attributes])

    def _function(self, value: types.FunctionType) -> list[Any]:
        held = [value.__defaults__, value.__kwdefaults__, vars(value), value.__closure__]
        return [self._members(held), *self._text(value)]

    def _text(self, value: types.FunctionType) -> list[Any]:
        """What a function does: `torch.no_grad` lends its own to those that it decorates."""
        module = str(value.__globals__.get("__name__"))
        if _known(module):
            name = value.__code__.co_qualname
            return [module, name, *([self.digest(value.__code__)] if "<" in name else [])]
        if is_library(module):
            return [_named(module), self._source(value)]
        return [self._source(value), self._globals(value)]

    def _source(self, value: types.FunctionType) -> list[str]:
        """The text of a function; its code where nobody has kept the text, or where several may
        stand in one line.
        """
        try:
            text = inspect.getsource(value.__code__).replace("\r\n", "\n")
        except OSError:
            return [self.digest(value.__code__)]
        return [text, self.digest(value.__code__)] if value.__name__ == "<lambda>" else [text]

    def _code(self, value: types.CodeType) -> list[Any]:
        """Compiled code as plain values: no addresses, no paths, no line numbers."""
        code = [value.co_code.hex(), value.co_exceptiontable.hex(), self.digest(value.co_consts)]
        return [*code, list(value.co_names), list(value.co_varnames)]

    def _globals(self, value: types.FunctionType) -> list[list[Any]]:
        """The contents of the globals that a function names, and the files that it imports."""
        space, codes = value.__globals__, list(_codes(value.__code__))
        names = {name for code in codes for name in code.co_names}
        loaded = {name for code in codes for name in _loaded(code)} - OF_MODULES
        home, self.home = self.home, _folder(space.get("__file__"))
        found = [[n, self._named_of(space[n], names)] for n in sorted(loaded & space.keys())]
        self.home = home
        package = str(space.get("__package__") or "")
        imported = sorted({name for code in codes for name in _imported(code)})
        return [*found, [text_digest(_files(imported, package))]]

    def _named_of(self, value: Any, names: set[str]) -> Any:
        """A global's digest; of a module of one's own, those of the members that are named."""
        if not isinstance(value, types.ModuleType) or is_library(value.__name__):
            return self.digest(value)
        members = vars(value)
        return [
            [name, self._named_of(members[name], names - {name})]
            for name in sorted(names & members.keys())
        ]

    def _class(self, value: type) -> list[Any]:
        """What a class does: what stands in its body, as it is now, and its bases."""
        if _known(value.__module__):
            return [value.__module__, value.__qualname__]
        functions = [m for m in vars(value).values() if isinstance(m, types.FunctionType)]
        foreign = is_library(value.__module__)
        body = functions if foreign else {n: m for n, m in vars(value).items() if _counts(n, m)}
        named = _named(value.__module__) if foreign else []
        return [named, value.__qualname__, *self._members([body, value.__bases__, type(value)])]

    def _module(self, value: types.ModuleType) -> Any:
        if is_library(value.__name__):
            return _named(value.__name__)
        return self._mapping({n: m for n, m in vars(value).items() if n[:2] != "__"})

    def _builtin(self, value: Any) -> list[Any]:
        """A compiled function by its name, a method of an object by that too."""
        owner = getattr(value, "__objclass__", None) or getattr(value, "__self__", None)
        module = getattr(value, "__module__", None)
        return [value.__qualname__, module or self.digest(owner)]

    def _cell(self, value: types.CellType) -> list[str]:
        try:
            return [self.digest(value.cell_contents)]
        except ValueError:  # nothing is in it yet
            return []

    def _path(self, value: PurePath) -> list[str]:
        text = self._moved(str(value))
        path = Path(value)
        return [path.name, file_digest(path)] if path.is_file() else [text]


def _parts(*names: str) -> Callable[[_Walk, Any], list[str]]:
    """Return what describes an object by some of its attributes."""
    return lambda walk, value: walk._members([getattr(value, name) for name in names])


EXACT: dict[type, Callable[[_Walk, Any], Any]] = {
    bytes: lambda walk, value: hashlib.sha256(value).hexdigest(),
    dict: _Walk._mapping,
    list: _Walk._members,
    tuple: _Walk._members,
    types.MappingProxyType: _Walk._mapping,
}
KINDS: tuple[tuple[Any, Callable[[_Walk, Any], Any]], ...] = (
    (set | frozenset, _Walk._set),
    (type, _Walk._class),
    (types.FunctionType, _Walk._function),
    (types.CodeType, _Walk._code),
    (types.CellType, _Walk._cell),
    (types.ModuleType, _Walk._module),
    (types.MethodType, _parts("__func__", "__self__")),
    (functools.partial, _parts("__class__", "func", "args", "keywords", "__dict__")),
    (functools.cached_property, _parts("func")),
    (functools._lru_cache_wrapper, _parts("__wrapped__")),
    (property, _parts("__class__", "fget", "fset", "fdel")),
    (staticmethod | classmethod, _parts("__class__", "__func__")),
    (weakref.ref, lambda walk, value: walk.digest(value())),
    (logging.Logger, lambda walk, value: ""),  # shapes no result
    (PurePath, _Walk._path),
    (
        types.BuiltinFunctionType
        | types.MethodWrapperType
        | types.WrapperDescriptorType
        | types.MethodDescriptorType
        | types.ClassMethodDescriptorType
        | types.GetSetDescriptorType
        | types.MemberDescriptorType,
        _Walk._builtin,
    ),
)


def _sorted(state: Any) -> Any:
    """Return attributes by their names, whatever order a copy has set them in."""
    return dict(sorted(state.items(), key=str)) if isinstance(state, dict) else state


def _known(module: str) -> bool:
    return module.partition(".")[0] in LIBRARIES


def is_library(module: str) -> bool:
    """Whether a module is not the user's own: of the libraries that are known, or installed."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return _known(module) or bool(file and INSTALLED & set(Path(file).parts))


def _named(module: str) -> list[str]:
    """Return a library's name, and its version where that counts."""
    top = module.partition(".")[0]
    version = getattr(sys.modules.get(top), "__version__", "")
    return [module] if _known(module) else [module, str(version)]


def _global(value: Any, name: str) -> list[str]:
    """Return where a library has a value that it knows by a name, such as `numpy.sin`."""
    name = name.rpartition(".")[2]
    module = pickle.whichmodule(value, name)  # type: ignore[attr-defined]
    if not is_library(module) or getattr(sys.modules.get(module), name, None) is not value:
        raise LookupError(name)
    return [module, name]


def _counts(name: str, member: Any) -> bool:
    """Whether a member of a class may shape what it does: not what Python keeps there."""
    if name.startswith("__") and name.endswith("__"):
        return isinstance(member, types.FunctionType | staticmethod | classmethod)
    return name != "_abc_impl"


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield a function's code and that of functions within."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _loaded(code: types.CodeType) -> Iterator[str]:
    """Yield the globals that code names."""
    for step in dis.get_instructions(code):
        if "GLOBAL" in step.opname or step.opname == "LOAD_NAME":
            yield step.argval


def _imported(code: types.CodeType) -> Iterator[str]:
    """Yield the names that may be those of modules that code imports when it runs."""
    steps = [step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"]
    for level, names, step in zip(steps, steps[1:], steps[2:], strict=False):
        if step.opname == "IMPORT_NAME":
            yield from imported_names(level.argval, step.argval, names.argval or ())
    if LOADERS.intersection(code.co_names):
        yield from (text for text in code.co_consts if isinstance(text, str))


def _files(names: Iterable[str], package: str) -> list[Path]:
    """Return the files of somebody's own modules by names, and of all that these import, without
    importing them.
    """
    found: dict[str, Path | None] = {}
    waiting = list(_absolute(names, package))
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        path = found[module] = _own_file(module)
        waiting += _absolute([module.rpartition(".")[0]], "")
        if path is not None and path.suffix == ".py":
            home = module if path.stem == "__init__" else module.rpartition(".")[0]
            waiting += _absolute(said_in(path.read_bytes()).imports, home)
    return [path for _, path in sorted(found.items()) if path is not None]


def _absolute(names: Iterable[str], package: str) -> Iterator[str]:
    """Yield names as they are known outside of the package that imports them."""
    for name in names:
        with contextlib.suppress(ImportError):  # a relative one that leads out of every package
            yield importlib.util.resolve_name(name, package)


def _own_file(module: str) -> Path | None:
    """Return the file of a module that is somebody's own."""
    first, *others = module.split(".")
    try:
        spec = None if _known(first) or not first else importlib.util.find_spec(first)
    except (ImportError, ValueError):  # one that nothing was loaded from
        return None
    for name in others:
        folders = None if spec is None else spec.submodule_search_locations
        # By its own name alone: its package's need not be imported then.
        spec = None if folders is None else PathFinder.find_spec(name, list(folders))
    path = Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None
    return None if path is None or INSTALLED & set(path.parts) else path


def _folder(file: Any) -> str:
    return os.path.dirname(os.path.abspath(file)) if isinstance(file, str) else ""
