"""Digests of what shapes a result: plain values, arrays, files, source text. Paths never count."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aexbench.rows import Rows

OWN = "aexbench."
LIBRARIES = {
    "abc",
    "builtins",
    "enum",
    "functools",
    "numpy",
    "sklearn",
    "torch",
    "typing",
}  # whose classes are known by their names


def canonical(value: object) -> str:
    """Return JSON with sorted keys and no spaces: one text for one value."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def value_digest(value: object) -> str:
    """Return the digest, 32 hexadecimal digits, of a value's canonical form."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:32]


def array_digest(arrays: Iterable[Rows]) -> str:
    """Return the digest of arrays' types, shapes and contents; read in blocks, so that memory maps
    stay on disk.
    """
    from aexbench.rows import blocks

    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        for block in blocks(array):
            digest.update(block.tobytes())
    return digest.hexdigest()[:32]


def file_digest(path: Path) -> str:
    """Return the digest of a file's content, or of the names and contents of all files in a
    folder.
    """
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    files = sorted(p for p in path.rglob("*") if p.is_file())
    return value_digest([(str(p.relative_to(path)), file_digest(p)) for p in files])


def text_digest(files: Iterable[Path]) -> str:
    """Return the digest of text files, whatever their line ends."""
    text = b"\0".join(file.read_bytes().replace(b"\r\n", b"\n") for file in files)
    return hashlib.sha256(text).hexdigest()[:32]


def source_digest(target: object) -> str:
    """Return the digest of the file that defines `target`, and of what it takes from beside it.

    That is every module that it imports from its own folder or family of plugins, directly or by
    another one, and every file beside it whose name stands in its text. Line ends are normalised.
    """
    while isinstance(target, partial):
        target = target.func
    module = sys.modules[getattr(target, "__module__", type(target).__module__)]
    file = getattr(module, "__file__", None)
    if file is None or not Path(file).is_file():  # defined at a prompt: `code_digest` knows it
        return value_digest("")
    found: dict[Path, str] = {}
    _collect(Path(file), module.__name__, found)
    return text_digest(sorted(found, key=lambda path: found[path]))


def _collect(path: Path, name: str, found: dict[Path, str]) -> None:
    """Add a module's file and what it takes from beside it, by names that know no folder."""
    if path in found:
        return
    found[path] = name
    if path.suffix == ".py":
        for other, other_name in _beside(path, name):
            _collect(other, other_name, found)


def _beside(path: Path, name: str) -> Iterator[tuple[Path, str]]:
    """Yield the files beside a module that its text imports or names."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _module(path, name, alias.name)
        elif isinstance(node, ast.ImportFrom):
            yield from _module(path, name, node.module or "")
            for alias in node.names:
                yield from _module(path, name, f"{node.module or ''}.{alias.name}".strip("."))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            short = 0 < len(node.value.encode(errors="ignore")) < 200 and "\0" not in node.value
            named = path.parent / Path(node.value).name if short else path
            if named != path and named.is_file():
                yield named, named.name


def _module(path: Path, name: str, imported: str) -> Iterator[tuple[Path, str]]:
    """Yield the file of an imported module that belongs to the importing one."""
    if name.startswith(OWN):  # a plugin of ours: its family's folder, not the engine
        home = ".".join(name.split(".")[:2]) + "."
        if imported.startswith(home) and (spec := _spec(imported)) is not None:
            yield Path(str(spec)), imported
        return
    package = name.rpartition(".")[0]
    if package and imported.startswith(package.partition(".")[0]) and (spec := _spec(imported)):
        yield Path(spec), imported
        return
    first = imported.partition(".")[0]
    for candidate in (path.parent / f"{first}.py", path.parent / first / "__init__.py"):
        if first and candidate.is_file():
            yield candidate, first
            if candidate.name == "__init__.py":
                yield from (
                    (p, f"{first}/{p.name}") for p in sorted(candidate.parent.rglob("*.py"))
                )


def _spec(module: str) -> str | None:
    """Return the file of a module, without importing it."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # a name in a module, not a module
        return None
    return None if spec is None else spec.origin


def code_digest(target: Any) -> str:
    """Return the digest of what a function, a class or a callable object does.

    That is its source, or else its compiled code; what a function closes over, a partial's
    arguments and an object's attributes count by their contents; of a class all that it inherits.
    Of a library's class the name counts.

    >>> code_digest(lambda x: x + 1) == code_digest(lambda x: x + 2)
    False
    """
    if isinstance(target, partial):
        held = [target.args, target.keywords]
        return value_digest([code_digest(target.func), content_digest(held)])
    if inspect.isclass(target):
        return value_digest([_class_source(one) for one in target.__mro__])
    if inspect.ismethod(target):
        return value_digest([code_digest(target.__func__), content_digest(target.__self__)])
    if not hasattr(target, "__code__"):
        return content_digest(target)
    closed = [cell.cell_contents for cell in target.__closure__ or () if _filled(cell)]
    return value_digest([target.__qualname__, _source(target), content_digest(closed)])


def content_digest(value: Any, depth: int = 6) -> str:
    """Return the digest of what a value holds: arrays and tensors by their numbers, objects by
    their class and attributes, functions by what they do; addresses never count.
    """
    kind = type(value)
    if isinstance(value, str | bytes | int | float | complex | bool | None):
        return value_digest([kind.__name__, repr(value)])
    if hasattr(value, "detach") and hasattr(value, "numpy"):
        value = value.detach().cpu().double() if value.is_floating_point() else value.detach().cpu()
        return content_digest(value.numpy(), depth)
    if hasattr(value, "dtype") and hasattr(value, "tobytes"):
        raw = hashlib.sha256(value.tobytes()).hexdigest()
        return value_digest([str(value.dtype), list(value.shape), raw])
    if depth == 0:
        return value_digest(kind.__qualname__)
    if isinstance(value, Mapping):
        pairs = [(str(k), content_digest(v, depth - 1)) for k, v in value.items()]
        return value_digest([kind.__name__, sorted(pairs)])
    if isinstance(value, list | tuple):
        return value_digest([kind.__name__, [content_digest(v, depth - 1) for v in value]])
    if isinstance(value, set | frozenset):
        return value_digest([kind.__name__, sorted(content_digest(v, depth - 1) for v in value)])
    if inspect.isclass(value) or inspect.isroutine(value) or isinstance(value, partial):
        return code_digest(value) if _has_code(value) else value_digest(str(value))
    held = {k: content_digest(v, depth - 1) for k, v in vars(value).items()} if _open(value) else {}
    return value_digest([code_digest(kind), sorted(held.items())])


def _has_code(value: Any) -> bool:
    return inspect.isclass(value) or inspect.ismethod(value) or hasattr(value, "__code__")


def _open(value: Any) -> bool:
    return hasattr(value, "__dict__")


def _filled(cell: Any) -> bool:
    """Whether a closure's cell holds anything yet."""
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _class_source(kind: type) -> str:
    """Return what a class does itself, apart from what it inherits."""
    if kind.__module__.partition(".")[0] in LIBRARIES:
        return f"{kind.__module__}.{kind.__qualname__}"
    return value_digest([kind.__qualname__, _source(kind)])


def _source(target: Any) -> str:
    """Return the source text of a function or class; its code where nobody has kept the text.

    Of a function without a name the code counts too: several stand in one line.
    """
    members = list(vars(target).values()) if inspect.isclass(target) else [target]
    codes = repr([_code(member.__code__) for member in members if hasattr(member, "__code__")])
    try:
        text = inspect.getsource(target).replace("\r\n", "\n")
        return text + (codes if "<lambda>" in target.__name__ else "")
    except (OSError, TypeError):
        return codes


def _code(code: CodeType) -> list[Any]:
    """Return compiled code as plain values: no addresses, no paths, no line numbers."""
    consts = [_code(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return [code.co_code.hex(), code.co_names, code.co_varnames, consts]
