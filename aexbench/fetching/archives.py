"""Unpacking archives that strangers have made: no member escapes, none is a link, and the folder is
whole or not there.

This is stricter than the data filter of Python's `tarfile`, which takes links and gives absolute
names a new root.
"""

from __future__ import annotations

import errno
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from aexbench.errors import plain

BLOCK = 512  # bytes that each member counts for at least: a million empty files are a bomb too
CHUNK = 2**20
READERS = (
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    struct.error,
)  # what they raise,
DAMAGED = (
    *READERS,
    EOFError,
    RuntimeError,
    ValueError,
    IndexError,
    OverflowError,
)  # and what escapes them
ODD = (
    errno.ENAMETOOLONG,
    errno.EINVAL,
    errno.EILSEQ,
)  # names that no file can have, places before the file's start


class ArchiveError(Exception):
    """An archive is damaged, or holds what must not be unpacked; nothing of it is left."""


@dataclass(frozen=True)
class _Member:
    name: str
    kind: str  # `file`, `folder`, or what else it is
    open: Callable[[], IO[bytes] | None]


def unpack(
    archive: Path,
    target: Path,
    *,
    at_most: int,
    inside: str = "",
    contains: str = "",
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Unpack a tar (gz, bz2, xz) or zip into a temporary folder beside `target`, and rename that
    when it is whole.

    Parameters
    ----------
    archive, target
        The file, and the folder to make.
    at_most
        Bytes that it may unpack to.
    inside
        The folder in the archive whose content is wanted; nothing else is unpacked.
    contains
        What `target` must hold in the end.
    progress
        Called with the number of bytes unpacked so far.

    Raises
    ------
    ArchiveError
        If it is damaged or no archive, a member would escape, is a link or a device, it grows
        beyond `at_most`, or it does not hold what it should.
    OSError
        If the disk is full or does not let anyone write.
    """
    unfinished = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(unfinished, ignore_errors=True)  # what an unpacking that was killed has left
    unfinished.mkdir()
    try:
        _unpack(archive, unfinished, at_most, PurePosixPath(inside).parts, progress)
        if not (unfinished / contains).exists():
            raise ArchiveError(f"it holds no {'/'.join(filter(None, (inside, contains)))}")
        unfinished.rename(target)
    except DAMAGED as error:
        raise ArchiveError(
            f"the archive is damaged or cut off: {plain(str(error)) or type(error).__name__}"
        ) from None
    except (FileExistsError, IsADirectoryError, NotADirectoryError):
        raise ArchiveError("two of its members have the same name") from None
    except OSError as error:
        if (
            error.errno is not None and error.errno not in ODD
        ):  # of the system, not of what is in the archive
            raise
        raise ArchiveError(
            f"the archive is damaged: {plain(error.strerror or str(error))}"
        ) from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _unpack(
    archive: Path,
    folder: Path,
    at_most: int,
    inside: tuple[str, ...],
    progress: Callable[[int], None],
) -> None:
    done = 0
    with closing(_members(archive)) as members:
        for member in members:
            parts = _safe_parts(member)
            wanted = parts[len(inside) :] if parts[: len(inside)] == inside else ()
            path = folder.joinpath(*wanted)
            start = done
            if wanted and member.kind == "file":
                path.parent.mkdir(parents=True, exist_ok=True)
                for size in _write(member, path):
                    done += size
                    _check_size(done, at_most)
                    progress(done)
            elif wanted:
                path.mkdir(parents=True, exist_ok=True)
            done = max(done, start + BLOCK)
            _check_size(done, at_most)


def _write(member: _Member, path: Path) -> Iterator[int]:
    """Write a member's content to a new file and yield the size of each piece."""
    content = member.open()
    if content is None:
        raise ArchiveError(f"member {member.name!r} has no content")
    with content, path.open("xb") as file:
        while piece := content.read(CHUNK):
            file.write(piece)
            yield len(piece)


def _check_size(done: int, at_most: int) -> None:
    if done > at_most:
        raise ArchiveError(
            f"it unpacks to more than the {at_most:,} bytes that the data set should have"
        )


def _safe_parts(member: _Member) -> tuple[str, ...]:
    """Return the parts of a member's name; ArchiveError if it could lead out of the folder, on any
    system.
    """
    name = plain(member.name)
    if member.kind not in ("file", "folder"):
        raise ArchiveError(f"refused: its member {name!r} is {member.kind}")
    for path in (PurePosixPath(member.name), PureWindowsPath(member.name)):
        if path.anchor or ".." in path.parts:
            raise ArchiveError(f"refused: its member {name!r} would lie outside of the folder")
    parts = PurePosixPath(member.name).parts
    if member.kind == "file" and not parts:
        raise ArchiveError("the archive is damaged: a member has no name")
    return parts


def _members(archive: Path) -> Generator[_Member, None, None]:
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            for member in tar:
                yield _Member(member.name, _tar_kind(member), partial(tar.extractfile, member))
    elif zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for entry in packed.infolist():
                yield _Member(entry.filename, _zip_kind(entry), partial(packed.open, entry))
    else:
        raise ArchiveError("this is neither a tar archive nor a zip archive, or it is cut off")


def _tar_kind(member: tarfile.TarInfo) -> str:
    if member.isdir():
        return "folder"
    return (
        "file"
        if member.isfile()
        else "a link"
        if member.issym() or member.islnk()
        else "a device or a pipe"
    )


def _zip_kind(entry: zipfile.ZipInfo) -> str:
    """Return what the mode says that Unix programs write; other programs write none,
    and no links.
    """
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "a link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a device or a pipe"
    return "folder" if entry.is_dir() else "file"
