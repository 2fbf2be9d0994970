"""Taking over the anomalies and weights of others: fetched, checked, and put into a store.

A run into that store finds them there: nothing is trained or drawn anew, and what is explained is
what others have explained.
"""

from __future__ import annotations

import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from aexbench import files
from aexbench.digests import file_digest
from aexbench.errors import RequestError, StoreError, plain
from aexbench.fetching import downloads
from aexbench.fetching.archives import ArchiveError, unpack
from aexbench.fetching.downloads import DownloadError, Progress
from aexbench.files import DamagedFileError
from aexbench.merging.archive import ARCHIVE, HEAD, Head
from aexbench.running.store import Store, unpack_anomalies

MEMBER = re.compile(r"(anomalies|detectors)/[0-9a-f]{32}\.safetensors")
MOST_HEAD = 10_000  # bytes
ROOM = 2**20  # for small members, which count for a block each


def take(source: str, to: Path, progress: Progress = lambda text, done, total: None) -> int:
    """Put the anomalies and weights of others into a store, and return how many anomaly sets.

    Parameters
    ----------
    source
        Where their `anomalies.json` is, beside the archive: a path or an address, of the file or of
        its folder.
    to
        The store; a folder is made where there is none.
    progress
        As `downloads.fetch` calls it.

    Raises
    ------
    DownloadError
        If the network fails, or the archive is not what it should be: nothing of it is kept.
    RequestError
        If there is nothing at `source`, or the store holds other files under these names.
    """
    head, place = _head(source)
    work = files.make_folder(to.absolute().with_name(f".{to.name}.taking"))
    try:
        archive = _archive(place, head, work, progress)
        unpacked = work / "unpacked"
        unpack(archive, unpacked, at_most=2 * head.bytes + ROOM, contains="anomalies")
        members = _members(unpacked)
        _check_free(to, members)
        return _put(members, Store(to, create=True))
    except (ArchiveError, DamagedFileError) as error:
        raise DownloadError(f"{place}: {error}; nothing of it is kept") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _head(source: str) -> tuple[Head, str]:
    """Return what is said of an archive, and where the archive is."""
    where = source if source.endswith(".json") else f"{source.rstrip('/')}/{HEAD}"
    content = _fetched(where) if "://" in where else _read(Path(where))
    try:
        head = Head.model_validate(files.parse(content))
    except ValueError:
        raise RequestError(f"{where} says nothing of anomalies") from None
    return head, f"{where.rpartition('/')[0]}/{ARCHIVE}" if "/" in where else ARCHIVE


def _read(path: Path) -> bytes:
    try:
        return files.read(path)[:MOST_HEAD]
    except (FileNotFoundError, NotADirectoryError):
        raise RequestError(
            f"there is no {path}: aexbench pack STORE --to FOLDER --anomalies writes it"
        ) from None


def _fetched(address: str) -> bytes:
    """Return the first bytes of what is at an address."""
    if urlsplit(address).scheme not in ("http", "https"):
        raise RequestError(f"{address} is no address that can be fetched: http or https")
    try:
        with urllib.request.urlopen(address, timeout=downloads.TIMEOUT_S) as response:
            return bytes(response.read(MOST_HEAD))
    except urllib.error.HTTPError as error:
        raise DownloadError(f"HTTP {error.code} {plain(error.reason)} from {address}") from None
    except (OSError, HTTPException, ValueError) as error:
        reason = str(getattr(error, "reason", "") or error)
        raise DownloadError(f"{address} cannot be fetched: {plain(reason)}") from None


def _archive(place: str, head: Head, work: Path, progress: Progress) -> Path:
    """Return an archive that has the checksum which it should have."""
    if "://" in place:
        return downloads.received(place, head.sha256, head.bytes, work, progress)
    path = Path(place)
    if not path.is_file():
        raise RequestError(f"there is no {path}: it belongs beside its {HEAD}")
    if path.stat().st_size != head.bytes or file_digest(path) != head.sha256:
        raise ArchiveError(f"it has another size or SHA-256 than its {HEAD} says")
    return path


def _members(folder: Path) -> dict[str, Path]:
    """Return the unpacked files by their names; DamagedFileError where one is not what it should
    be.
    """
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    found = {name: path for name, path in found.items() if path.is_file()}
    for name, path in found.items():
        if not MEMBER.fullmatch(name):
            raise ArchiveError(f"refused: its member {plain(name)!r} is neither weights nor set")
        if name.startswith("anomalies/"):
            unpack_anomalies(path)
        else:
            files.unpack(path)
    return found


def _check_free(to: Path, members: Mapping[str, Path]) -> None:
    """Raise StoreError where a store holds something else under one of the names."""
    for name, path in members.items():
        there = to / name
        if there.exists() and file_digest(there) != file_digest(path):
            raise StoreError(f"{there} is there, and another one: take these into a new store")


def _put(members: Mapping[str, Path], store: Store) -> int:
    """Put files into a store, weights first, and return how many anomaly sets there are."""
    for name, path in sorted(members.items(), reverse=True):
        folder, key = Path(name).parent.name, path.stem
        files.write_once(store.path(folder, key), path.read_bytes())
    return sum(name.startswith("anomalies/") for name in members)
