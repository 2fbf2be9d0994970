"""Files that are whole or not there: written under a temporary name, flushed to disk, then renamed.

Nothing here unpickles: arrays travel as safetensors.
"""

from __future__ import annotations

import functools
import json
import math
import os
import secrets
import shutil
import stat
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json, to_json

from aexbench.digests import LEAST, MOST, MOST_LEVELS, check_plain
from aexbench.errors import StoreError

TEMPORARY = ".part"
MOST_BYTES = 2**28  # of what is read whole: records, plans
MOST_DIGITS = 20  # of an integer of 64 bits, with its sign
METADATA = "aexbench"  # the key in a file's head


class DamagedFileError(StoreError):
    """A file's content is not what it should be."""


class UnreadableError(StoreError):
    """A file cannot be read here and now. What it holds may be whole: it is never replaced."""


def read(path: Path) -> bytes:
    """Return the content of a regular file.

    Raises
    ------
    DamagedFileError
        If it is none: a pipe, a device, a folder; or larger than any of ours.
    UnreadableError
        If the system does not let it be read.
    FileNotFoundError
        If there is none.
    """
    try:
        return content(path, functools.partial(_check_ours, path)) or b""
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror or error}") from None


def content(path: Path, wanted: Callable[[os.stat_result], bool]) -> bytes | None:
    """Return the content of a file if it is wanted, as its size and kind are; a pipe that is not
    wanted is not waited for.
    """
    if not wanted(os.stat(path)):
        return None
    with path.open("rb", buffering=0) as file:
        return file.readall()


def _check_ours(path: Path, found: os.stat_result) -> bool:
    """Raise DamagedFileError for what is none of our files."""
    if not stat.S_ISREG(found.st_mode):
        raise DamagedFileError(f"{path} is no regular file")
    if found.st_size > MOST_BYTES:
        raise DamagedFileError(f"{path} is no file of ours: it is too large")
    return True


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically: a reader sees the old content or the new one, also after a crash."""
    write_with(path, lambda file: file.write(content))


def write_with(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file atomically with what `write` puts into it, which need not fit in memory."""
    temporary = _write_temporary(path, write)
    try:
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from None
    _flush_folder(path.parent)


def write_once(path: Path, content: bytes) -> None:
    """Write a file atomically unless it is there already: the first writer wins, on one host or
    several.
    """
    temporary = _write_temporary(path, lambda file: file.write(content))
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    except (
        OSError
    ):  # a file system without hard links: only writers of the same moment may replace each other
        if not path.exists():
            os.replace(temporary, path)
    temporary.unlink(missing_ok=True)
    _flush_folder(path.parent)


Write = Callable[[Path, bytes], None]


@contextmanager
def together() -> Iterator[Write]:
    """Give a function that writes files as `write_bytes` does, whose files are there at the end of
    the block: the disk is waited for once, which takes longer than all the rest.
    """
    waiting: dict[Path, IO[bytes]] = {}
    with ExitStack() as stack:

        def write(path: Path, content: bytes) -> None:
            temporary = _temporary(path)
            stack.callback(temporary.unlink, missing_ok=True)
            with _writing(path):
                waiting[path] = stack.enter_context(temporary.open("wb"))
                waiting[path].write(content)
                waiting[path].flush()

        yield write
        for path, file in waiting.items():
            with _writing(path):
                os.fsync(file.fileno())
        for path, file in waiting.items():
            with _writing(path):
                file.close()
                os.replace(file.name, path)
    for folder in {path.parent for path in waiting}:
        _flush_folder(folder)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Raise StoreError where the block cannot write a file."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from None


def write_json(path: Path, value: object, write: Write = write_bytes) -> None:
    """Write a value as indented JSON, atomically; ValueError where it holds numbers that `parse`
    refuses.
    """
    if not _of_plain_numbers([value]):
        raise ValueError("JSON holds no NaN, no infinities, and no integers of more than 64 bits")
    write(path, to_json(value, indent=1) + b"\n")


def pack(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]) -> bytes:
    """Return arrays and JSON metadata as the bytes of one safetensors file."""
    from safetensors.numpy import save

    text = json.dumps(metadata, ensure_ascii=False)  # in one text: several keys would have no order
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return bytes(save(contiguous, metadata={METADATA: text}))


def unpack(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the arrays and the metadata of a safetensors file; DamagedFileError if it is none,
    UnreadableError if it cannot be read.
    """
    with _opened(path) as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        return arrays, _metadata(file.metadata() or {})


def unpack_content(content: bytes, path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return what `unpack` does of a safetensors file that is read already."""
    from safetensors.numpy import load

    with _damaged(path):
        return load(content), _metadata(_head(content).get("__metadata__", {}))


def described(content: bytes, path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the types of a safetensors file's arrays, such as F32, and its metadata, from its head
    alone; DamagedFileError if it has none.
    """
    with _damaged(path):
        head = _head(content)
        metadata = _metadata(head.pop("__metadata__", {}))
        return {name: str(array["dtype"]) for name, array in head.items()}, metadata


def _head(content: bytes) -> dict[str, Any]:
    """Return the head of a safetensors file: eight bytes say how long it is."""
    return dict(from_json(content[8 : 8 + int.from_bytes(content[:8], "little")]))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a safetensors file; what is wrong with it in the block is an error of ours."""
    from safetensors import safe_open

    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DamagedFileError(f"{path} is no regular file")
        path.open("rb").close()
        with _damaged(path), safe_open(path, framework="numpy") as file:
            yield file
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror or error}") from None


@contextmanager
def _damaged(path: Path) -> Iterator[None]:
    """Raise DamagedFileError where the block finds a file to be none of safetensors."""
    from safetensors import SafetensorError

    try:
        yield
    except DamagedFileError:
        raise
    except (  # bfloat16, float8
        SafetensorError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
    ) as error:
        raise DamagedFileError(f"{path} is damaged: {error}") from None


def _metadata(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return what `pack` was given; older files have a key for each part."""
    if METADATA in texts:
        return dict(parse(texts[METADATA]))
    return {key: parse(value) for key, value in texts.items()}


def parse(text: str | bytes, constant: Callable[[str], Any] = float) -> Any:
    """Return the value of a JSON text that a stranger may have written; `constant` makes something
    of NaN and infinities.

    Raises
    ------
    ValueError
        If it is none, or holds what no file of ours does: numbers beyond the range of floats, and
        what `digests.check_plain` refuses.
    """
    with suppress(ValueError):  # a constant, or no JSON: the slower reader says what is wrong
        value = from_json(text, allow_inf_nan=False)
        if _openings(text) <= MOST_LEVELS and _of_plain_numbers([value]):
            return value
    return _parse_slowly(text, constant)


def _of_plain_numbers(values: Iterable[Any]) -> bool:
    """Whether all numbers in values of JSON are finite, and the integers of 64 bits."""
    for value in values:
        kind = type(value)
        if kind is str:  # most are: this is the inner loop of every command
            continue
        if kind is dict and not _of_plain_numbers(value.values()):
            return False
        if kind is list and not _of_plain_numbers(value):
            return False
        if kind is float and not math.isfinite(value):
            return False
        if kind is int and not LEAST <= value <= MOST:
            return False
    return True


def _parse_slowly(text: str | bytes, constant: Callable[[str], Any]) -> Any:
    """Return the value of any JSON text, or raise what is wrong with it."""
    try:
        value = json.loads(
            text, parse_float=_finite, parse_int=_of_64_bits, parse_constant=constant
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if _openings(text) > MOST_LEVELS:  # with fewer it cannot be nested more deeply
        check_plain(value)
    return value


def _openings(text: str | bytes) -> int:
    if isinstance(text, str):
        return text.count("[") + text.count("{")
    return text.count(b"[") + text.count(b"{")


def _of_64_bits(text: str) -> int:
    if len(text) > MOST_DIGITS or not LEAST <= (value := int(text)) <= MOST:
        raise ValueError("it holds an integer of more than 64 bits")
    return value


def no_constant(text: str) -> Any:
    """Raise ValueError for NaN and infinities, which are no numbers in JSON."""
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    if math.isinf(value := float(text)):
        raise ValueError("it holds a number beyond the range of floats")
    return value


def make_folder(path: Path) -> Path:
    """Make a folder and its parents; StoreError where that is not allowed or a file
    is in the way.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise StoreError(f"{path} is needed as a folder, and a file is in its way") from None
    except (OSError, ValueError) as error:  # the latter for characters that no path has
        reason = getattr(error, "strerror", None) or error
        raise StoreError(f"{str(path)[:80]!r} can be no folder: {reason}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise StoreError(f"no permission to write in the folder {path}")
    return path


class Temporary:
    """A new folder that goes, without a warning, when nobody holds this any more."""

    def __init__(self, prefix: str) -> None:
        self.name = tempfile.mkdtemp(prefix=prefix)
        weakref.finalize(self, shutil.rmtree, self.name, ignore_errors=True)


def cache_folder(part: str) -> Path:
    """Return a folder for what can be made again: in `AEXBENCH_CACHE`, or in the user's cache
    folder.
    """
    import platformdirs

    root = os.environ.get("AEXBENCH_CACHE") or platformdirs.user_cache_dir(
        "aexbench", appauthor=False
    )
    return make_folder(Path(root) / part)


def sweep(folder: Path, older_than_s: float = 3600.0) -> None:
    """Remove temporary files that writers which were killed have left behind."""
    for path in folder.glob(f".*{TEMPORARY}"):
        with suppress(FileNotFoundError):  # its writer is alive, and just done
            if time.time() - path.stat().st_mtime > older_than_s:
                path.unlink()


def set_aside(path: Path) -> None:
    """Rename a damaged file, so that it can be made again and nothing is lost."""
    with suppress(FileNotFoundError):
        os.replace(path, path.with_name(f"{path.name}.damaged"))


def _write_temporary(path: Path, write: Callable[[IO[bytes]], object]) -> Path:
    temporary = _temporary(path)
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):  # where its name is too long, there is none
            temporary.unlink(missing_ok=True)
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from None
    return temporary


def _temporary(path: Path) -> Path:
    return path.parent / f".{path.name}.{secrets.token_hex(4)}{TEMPORARY}"


def _flush_folder(folder: Path) -> None:
    """Make a rename durable, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
