"""Digests of what shapes a result: of plain values, of arrays, of files, of source text. Paths
never count.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from aexbench.rows import Rows, blocks

# What of the engine shapes the results of a family's plugins, besides their own source.
ENGINE_SOURCES = {
    "autoencoder": ["aexbench.autoencoders", "aexbench.detector", "aexbench.rows"],
    "control": ["aexbench.running.controls"],
    "corruption": ["aexbench.single_feature", "aexbench.running.strata"],
    "data set": ["aexbench.datasets.tools"],
    "explainer": ["aexbench.explainers.tools", "aexbench.rows"],
    "reference": ["aexbench.running.references", "aexbench.running.strata"],
}


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
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        for block in blocks(array):
            digest.update(np.ascontiguousarray(block).tobytes())
    return digest.hexdigest()[:32]


def file_digest(path: Path) -> str:
    """Return the digest of a file's content, or of the names and contents of all
    files in a folder.
    """
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    files = sorted(p for p in path.rglob("*") if p.is_file())
    return value_digest([(str(p.relative_to(path)), file_digest(p)) for p in files])


def source_digest(target: object) -> str:
    """Return the digest of the file that defines `target`, or of all files where it lies in a
    plugin's own package.

    Line ends are normalised.
    """
    module = sys.modules[getattr(target, "__module__", type(target).__module__)]
    file = getattr(module, "__file__", None)
    if file is None:  # defined at a prompt
        return value_digest(repr(target))
    path = Path(file)
    return text_digest(
        path.parent.rglob("*.py") if _in_plugin_package(module.__name__, path) else [path]
    )


def engine_source(family: str) -> str:
    """Return the digest of the engine's modules that shape the results of a family."""
    origins = (Path(_origin(name)) for name in ENGINE_SOURCES.get(family, []))
    return text_digest(
        path
        for origin in origins
        for path in (origin.parent.glob("*.py") if origin.name == "__init__.py" else [origin])
    )


def _origin(module: str) -> str:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return spec.origin


def text_digest(files: Iterable[Path]) -> str:
    """Return the digest of text files, whatever their line ends."""
    text = b"\0".join(file.read_bytes().replace(b"\r\n", b"\n") for file in sorted(files))
    return hashlib.sha256(text).hexdigest()[:32]


def _in_plugin_package(name: str, path: Path) -> bool:
    """Whether a module belongs to a package inside a component folder, such as
    `aexbench.explainers.lrp`.
    """
    depth = len(name.split("."))
    return name.startswith("aexbench.") and (
        depth > 3 or (depth == 3 and path.name == "__init__.py")
    )
