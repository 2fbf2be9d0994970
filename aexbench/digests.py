"""Digests of plain values, arrays and files. Paths never count.

What functions and objects hold is digested in `contents`, the source of plugins in `beside`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aexbench.rows import Rows

LEAST, MOST, MOST_LEVELS = -(2**63), 2**64 - 1, 100
BLOCK = 2**16  # bytes that are read at once: most files of ours are smaller
_canonical = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
)


def canonical(value: object) -> str:
    """Return JSON with sorted keys and no spaces: one text for one value."""
    return _canonical.encode(value)


def check_plain(value: object) -> None:
    """Raise ValueError where a value of lists, mappings and numbers is none that others can read:
    with integers of more than 64 bits, or more than a hundred levels.
    """
    level = [value]
    for _ in range(MOST_LEVELS):
        if any(isinstance(part, int) and not LEAST <= part <= MOST for part in level):
            raise ValueError("it holds an integer of more than 64 bits")
        level = [item for part in level for item in _held(part)]
        if not level:
            return
    raise ValueError("it is nested too deeply")


def _held(part: object) -> Iterable[object]:
    """Return what a list or a mapping holds."""
    if isinstance(part, dict):
        return part.values()
    return part if isinstance(part, list | tuple) else ()


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
        digest = hashlib.sha256()
        with path.open("rb", buffering=0) as file:
            while block := file.read(BLOCK):
                digest.update(block)
        return digest.hexdigest()
    files = sorted(p for p in path.rglob("*") if p.is_file())
    return value_digest([(str(p.relative_to(path)), file_digest(p)) for p in files])


def text_digest(files: Iterable[Path]) -> str:
    """Return the digest of text files, whatever their line ends."""
    text = b"\0".join(file.read_bytes().replace(b"\r\n", b"\n") for file in files)
    return hashlib.sha256(text).hexdigest()[:32]
