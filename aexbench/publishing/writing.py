"""The folder of a publication: written whole, and never over what somebody else has put there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from aexbench import files
from aexbench.errors import RequestError, StoreError

LIST = "files.json"  # what a publication is known by: its files with their checksums
FORMAT = "aexbench publication"


def write(to: Path, contents: Mapping[str, bytes]) -> Path:
    """Write files into a folder and return its first page.

    A folder that an earlier publication has filled is renewed: what it wrote, and nobody has
    changed since, goes away.

    Raises
    ------
    RequestError
        If the folder holds anything else.
    """
    before = _before(to)
    for name, content in contents.items():
        path = to / name
        files.make_folder(path.parent)
        files.write_bytes(path, content)
    for name in _gone(to, before.keys() - contents.keys(), before):
        (to / name).unlink()
    digests = {name: _digest(content) for name, content in sorted(contents.items())}
    files.write_json(to / LIST, {"format": FORMAT, "schema_version": 1, "files": digests})
    return to / "index.html"


def check(to: Path) -> None:
    """Raise RequestError if a folder cannot take a publication."""
    _before(to)


def _before(to: Path) -> dict[str, str]:
    """Return the files that an earlier publication has written here, with their checksums."""
    if to.exists() and not to.is_dir():
        raise RequestError(f"{to} is a file: name a folder")
    if not to.is_dir() or not any(to.iterdir()):
        return {}
    try:
        values = files.parse(files.read(to / LIST))
        if values["format"] != FORMAT:
            raise ValueError(f"its format is another one than {FORMAT}")
        return {str(name): str(digest) for name, digest in values["files"].items()}
    except (FileNotFoundError, StoreError, ValueError, LookupError, TypeError, AttributeError):
        raise RequestError(
            f"{to} is not empty, and no earlier publication: name a new folder"
        ) from None


def _gone(to: Path, names: set[str], before: Mapping[str, str]) -> Iterator[str]:
    """Yield the files of before that are still as they were written, inside the folder."""
    for name in sorted(names):
        path = to / name
        if _inside(to, name) and path.is_file() and _digest(path.read_bytes()) == before[name]:
            yield name


def _inside(to: Path, name: str) -> bool:
    """Whether a name that somebody may have written is one of a file in the folder."""
    parts = PurePosixPath(name)
    plain = not parts.is_absolute() and ".." not in parts.parts
    return plain and (to / name).resolve().is_relative_to(to.resolve())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
