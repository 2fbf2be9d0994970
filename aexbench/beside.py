"""The source of a plugin that declares no version: its file, and what it takes from beside it."""

from __future__ import annotations

import ast
import fnmatch
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

from aexbench.digests import file_digest, text_digest, value_digest

OWN = "aexbench."
MOST_FILES, MOST_BYTES = 1000, 2**28  # of a folder that counts as a whole
TEXT_BYTES = 2**24  # of a file whose line ends are normalised
PLACES = {"Path", "PurePath", "str", "fspath", "abspath", "realpath", "dirname"} | {
    "resolve",
    "absolute",
    "as_posix",
}  # what makes one place of another
PARENTS = {"parent", "parents"}
JOINS = {"join", "joinpath", "with_name"}
LOADERS = {"import_module", "__import__", "run_module", "run_path"} | {
    "spec_from_file_location",
    "get_data",
    "files",
    "getfile",
}  # what finds modules and files by names


def source_digest(target: object) -> str:
    """Return the digest of the file that defines `target`, and of what it takes from beside it.

    That is, in the folder of the file:

    - every module that it imports, directly or by another one; of a package, all its modules;
    - every file and folder that a text in it names: by its name, its stem, its suffix (`".npy"`)
      or a pattern (`"layer-*.npy"`, `f"layer-{i}.npy"`);
    - all files there and below where it makes names that it does not spell: a folder that
      `__file__` gives is joined with something else than a text, listed or handed on, or a module
      is imported by a name that is computed.

    A folder counts with all that it holds, up to 1000 files of 256 MB together; of a larger one
    only files that lie beside the plugin and are named. Hidden files, caches of Python, and stores
    of results never count, nor do files elsewhere: those above the folder, or found from the
    current one by a name that is no text of the plugin. Line ends of texts are normalised, and
    paths do not count.
    """
    while isinstance(target, partial):
        target = target.func
    module = sys.modules[getattr(target, "__module__", type(target).__module__)]
    file = getattr(module, "__file__", None)
    if file is None or not Path(file).is_file():  # defined at a prompt: `contents` knows it
        return value_digest("")
    return file_source_digest(Path(file), module.__name__)


def file_source_digest(own: Path, module: str) -> str:
    """Return the digest of a module's file, and of what it takes from beside it."""
    found: dict[Path, str] = {}
    _collect(own, module, own.parent, found)
    del found[own]
    others = sorted((name, _digest(path)) for path, name in found.items())
    return value_digest([_digest(own), others])


def _digest(path: Path) -> str:
    """Return the digest of a text, whatever its line ends, or of another file."""
    try:
        large = path.stat().st_size > TEXT_BYTES or b"\0" in path.read_bytes()
        return file_digest(path) if large else text_digest([path])
    except OSError:  # gone since it was listed
        return ""


def _collect(path: Path, name: str, home: Path, found: dict[Path, str]) -> None:
    """Add a module's file and what it takes from beside it and from beside the plugin, in `home`,
    by names that know no folder.
    """
    if path in found:
        return
    found[path] = name
    if path.suffix != ".py":
        return
    said = said_in(path.read_bytes())
    folders = sorted({path.parent, home})
    for imported in said.imports:
        for module, module_name in _module(name, imported, folders):
            _collect(module, module_name, home, found)
    for folder in folders:
        for file, whole in _files(said, folder, shared=name.startswith(OWN)):
            if whole:
                found.setdefault(file, file.relative_to(folder).as_posix())
            else:
                _collect(file, file.name, home, found)


def _files(said: Said, folder: Path, shared: bool) -> Iterator[tuple[Path, bool]]:
    """Yield the files in a folder that a module names, and with True those in folders that it
    names, or all where it computes names.

    In the folder of a family, which other plugins share, only files by their full names.
    """
    if shared:
        files = (folder / text for text in sorted(said.texts))
        yield from ((file, False) for file in files if file.is_file())
        return
    for entry in _named(folder, said.texts):
        if entry.is_file():
            yield entry, False
        else:
            yield from ((file, True) for file in _below(entry))
    if said.computes:
        yield from ((file, True) for file in _below(folder))


class Said(NamedTuple):
    """What a module says of others: names that may be those of modules; parts of texts that may
    name files and folders, as patterns; and whether it makes names that it does not spell.
    """

    imports: tuple[str, ...] = ()
    texts: frozenset[str] = frozenset()
    computes: bool = False


@lru_cache(256)
def said_in(source: bytes) -> Said:
    """Read a module; one that is for other readers, such as a template, says nothing."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError):
        return Said()
    imports = tuple(dict.fromkeys(name for node in nodes for name in _imports(node)))
    texts = frozenset(part for node in nodes for part in _texts(node))
    return Said(imports, texts, _computes(nodes))


def _imports(node: ast.AST) -> Iterator[str]:
    """Yield the names that may be those of modules; relative ones begin with dots."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from imported_names(node.level, node.module or "", [one.name for one in node.names])
    elif isinstance(node, ast.Call) and _called(node) in LOADERS:
        yield from (str(one.value) for one in node.args if isinstance(one, ast.Constant))


def imported_names(level: int, module: str, names: Sequence[str]) -> Iterator[str]:
    """Yield a module, and those that `from` may take out of it.

    >>> list(imported_names(1, "mine", ["helper"]))
    ['.mine', '.mine.helper']
    """
    start = "." * level + module
    yield start
    yield from (f"{start}.{name}" if module else f"{start}{name}" for name in names)


def _texts(node: ast.AST) -> Iterator[str]:
    """Yield the parts of a text that may name files and folders; an absolute path is elsewhere."""
    text = _text(node)
    if text and len(text.encode(errors="ignore")) < 200 and "\0" not in text:
        parts = re.split(r"[\\/]", text)
        elsewhere = len(parts) > 2 and not parts[0]
        yield from (part for part in parts if _tells(part) and not elsewhere)


def _text(node: ast.AST) -> str:
    """Return a text, with `*` for what is put into it when it is used; else an empty one."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or "*" for part in node.values)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"\{[^{}]*\}|%[-+ #0-9.]*[a-z]", "*", node.value)
    return ""


def _named(folder: Path, texts: frozenset[str]) -> Iterator[Path]:
    """Yield the files and folders beside a module that its texts name."""
    patterns = [text for text in texts if re.search(r"[*?\[]", text)]
    for entry in _entries(folder):
        names = {entry.name, entry.stem, entry.suffix}
        if names & texts or any(fnmatch.fnmatchcase(entry.name, one) for one in patterns):
            yield entry


def _below(folder: Path) -> list[Path]:
    """Return all files of a folder; none of one that is too large to be a plugin's own."""
    files: list[Path] = []
    size = 0
    folders = [folder]
    while folders:
        for entry in _entries(folders.pop()):
            if entry.is_file():
                files.append(entry)
                size += entry.stat().st_size
            elif not entry.is_symlink():
                folders.append(entry)
        if len(files) + len(folders) > MOST_FILES or size > MOST_BYTES:
            return []
    return files


def _entries(folder: Path) -> list[Path]:
    """Return the files and folders in a folder, but for what is made on the way."""
    try:
        names = sorted(one for one in os.listdir(folder) if one[0] != "." and one != "__pycache__")
    except OSError:  # gone since it was listed, or not ours to read
        return []
    entries = [folder / name for name in names if os.access(folder / name, os.R_OK)]
    return [one for one in entries if one.is_file() or (one.is_dir() and not _is_store(one))]


def _is_store(folder: Path) -> bool:
    packed = (folder / "records.jsonl").is_file()
    return packed or all((folder / part).is_dir() for part in ("cells", "plans"))


def _computes(nodes: Sequence[ast.AST]) -> bool:
    """Whether a module makes names of files beside it, or of modules, that it does not spell."""
    places = _places(nodes)
    return any(
        not _open(node, _is_place(child, places), places)
        for node in nodes
        for child in ast.iter_child_nodes(node)
    )


def _places(nodes: Sequence[ast.AST]) -> set[str]:
    """Return the names that a module gives to its own folder, or to one above."""
    found, before = {"__file__"}, 0
    while len(found) > before:
        before = len(found)
        for node in nodes:
            if isinstance(node, ast.Assign) and _is_place(node.value, found):
                found |= {_name(target) for target in node.targets}
            elif isinstance(node, ast.AnnAssign) and node.value and _is_place(node.value, found):
                found.add(_name(node.target))
    return found - {""}


def _is_place(node: ast.AST, places: set[str]) -> bool:
    """Whether an expression is the plugin's own place, or one above, with no name behind it."""
    if _name(node) in places:
        return True
    if isinstance(node, ast.Subscript):  # parents[1]
        return _is_place(node.value, places)
    if isinstance(node, ast.Attribute):
        return node.attr in PARENTS and _is_place(node.value, places)
    if isinstance(node, ast.Call) and _called(node) in PLACES:
        of = [node.func.value] if isinstance(node.func, ast.Attribute) else []
        return any(_is_place(part, places) for part in [*node.args, *of])
    return False


def _open(node: ast.AST, holds: bool, places: set[str]) -> bool:
    """Whether an expression spells what it finds; `holds` says whether it holds a place.

    It does where it is a place too, or joins one with a text.
    """
    if isinstance(node, ast.Call) and _called(node) in LOADERS:
        return all(map(_spelled, node.args))
    if isinstance(node, ast.Call) and _called(node) in JOINS:
        of = [*node.args, *ast.iter_child_nodes(node.func)]
        joined = any(_is_place(one, places) for one in of)
        return not joined or all(_spelled(a) or _is_place(a, places) for a in node.args)
    if isinstance(node, ast.JoinedStr):
        held = any(_is_place(one, places) for part in node.values for one in ast.walk(part))
        return not held or _spelled(node)
    if not holds or isinstance(node, ast.Assign | ast.AnnAssign | ast.FormattedValue):
        return True
    if isinstance(node, ast.BinOp):
        return _spelled(node.right)
    if isinstance(node, ast.Attribute):
        return node.attr in PLACES | PARENTS | JOINS | {"name", "stem"}
    path = isinstance(node, ast.Call) and ast.unparse(node.func).startswith("sys.path.")
    return path or _is_place(node, places)


def _spelled(node: ast.AST) -> bool:
    """Whether an expression is a text that tells something of each part of a file's place."""
    return all(map(_tells, _text(node).removeprefix("*/").strip("/").split("/")))


def _tells(part: str) -> bool:
    return re.search(r"\w", part) is not None


def _called(node: ast.Call) -> str:
    return _name(node.func)


def _name(node: ast.AST) -> str:
    """Return the name of a variable or of an attribute."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _module(name: str, imported: str, folders: list[Path]) -> Iterator[tuple[Path, str]]:
    """Yield the file of an imported module that belongs to the importing one."""
    imported = imported.lstrip(".")  # a relative one is looked for beside it, like any other
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
    for folder in folders if first else ():
        if (module := folder / f"{first}.py").is_file():
            yield module, first
        if (folder / first / "__init__.py").is_file():
            yield from ((p, f"{first}/{p.name}") for p in sorted((folder / first).rglob("*.py")))


def _spec(module: str) -> str | None:
    """Return the file of a module, without importing it."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # a name in a module, not a module
        return None
    return None if spec is None else spec.origin
