"""Digests of what shapes a result: plain values, arrays, files, source text. Paths never count."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aexbench.rows import Rows

OWN = "aexbench."
LIBRARIES = {"torch", "builtins"}  # whose classes are known by their names


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
    module = sys.modules[getattr(target, "__module__", type(target).__module__)]
    file = getattr(module, "__file__", None)
    if file is None:  # defined at a prompt
        return value_digest(repr(target))
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
            named = path.parent / Path(node.value).name if 0 < len(node.value) < 200 else path
            if named != path and named.is_file():
                yield named, named.name


def _module(path: Path, name: str, imported: str) -> Iterator[tuple[Path, str]]:
    """Yield the file of an imported module that belongs to the importing one."""
    if name.startswith(OWN):  # a plugin of ours: its family's folder, not the engine
        home = ".".join(name.split(".")[:2]) + "."
        if imported.startswith(home) and (spec := _spec(imported)) is not None:
            yield Path(str(spec)), imported
        return
    first = imported.partition(".")[0]
    if not first:
        return
    for candidate in (path.parent / f"{first}.py", path.parent / first / "__init__.py"):
        if candidate.is_file():
            yield candidate, first
            yield from (
                (p, p.name) for p in candidate.parent.rglob("*.py") if p.parent.name == first
            )


def _spec(module: str) -> str | None:
    """Return the file of a module, without importing it."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # a name in a module, not a module
        return None
    return None if spec is None else spec.origin


def code_digest(target: Any) -> str:
    """Return the digest of what a function or class does: its source, or else its compiled code.

    Of a library's class its name counts. Constants that a function closes over count too, and so do
    the arguments of a `functools.partial`.

    >>> code_digest(lambda x: x + 1) == code_digest(lambda x: x + 2)
    False
    """
    if isinstance(target, partial):
        return value_digest([code_digest(target.func), repr(target.args), repr(target.keywords)])
    if not inspect.isclass(target) and not hasattr(target, "__code__"):
        target = getattr(target, "__func__", type(target))  # a bound method, or a callable object
    if target.__module__.partition(".")[0] in LIBRARIES:
        return f"{target.__module__}.{target.__qualname__}"
    closed = [repr(cell.cell_contents) for cell in getattr(target, "__closure__", None) or ()]
    return value_digest([target.__qualname__, _source(target), _without_addresses(closed)])


def _source(target: Any) -> str:
    """Return the source text of a function or class; its code where nobody has kept the text."""
    try:
        text = inspect.getsource(target).replace("\r\n", "\n")
        return text + (repr(target.__code__.co_consts) if "<lambda>" in target.__name__ else "")
    except (OSError, TypeError):
        members = vars(target).values() if inspect.isclass(target) else [target]
        codes = [member.__code__ for member in members if hasattr(member, "__code__")]
        return repr([(code.co_code, code.co_names, repr(code.co_consts)) for code in codes])


def _without_addresses(texts: list[str]) -> list[str]:
    return [re.sub(r" at 0x[0-9a-f]+", "", text) for text in texts]
