"""Fetching data sets: an archive is downloaded through pooch, continued where it stopped, checked,
and unpacked.

A data set declares where it comes from as it is registered, `@register("smd", licence="MIT",
download=Download(…))`, and `aexbench data get` fetches that. Nothing else in aexbench uses the
network.
"""

from __future__ import annotations

import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from aexbench import extras, files
from aexbench.errors import RequestError, SkipError, plain
from aexbench.fetching import local_data
from aexbench.fetching.archives import ArchiveError, unpack

TIMEOUT_S = 60.0  # without a byte from the server
CHUNK = 2**18

Progress = Callable[[str, int, int], None]


class Download(TypedDict):
    """Where a data set comes from; plain data, so that `aexbench list --json` shows it.

    Without a `url` it is the data set's own function that fetches, through its library, when
    `may_fetch()` says so.
    """

    size: int
    """Bytes to fetch, exactly where there is a `url`; 0 if that depends on the parameters."""
    folders: Sequence[str]
    """The names of the data set's folder: it is made under the first, and found under any."""
    contains: str
    """What lies in that folder when it is whole."""
    page: str
    """The publisher's page, for readers."""
    url: NotRequired[str]
    """Of a tar or zip archive."""
    sha256: NotRequired[str]
    """Of the archive. Where it is not known, that of the first download is kept, and later ones
    must have the same.
    """
    unpacked: NotRequired[int]
    """Bytes that the archive unpacks to, at most."""
    inside: NotRequired[str]
    """The folder in the archive that is wanted."""
    by_hand: NotRequired[bool]
    """People must fetch it: the data set's function says where it is published, and where to put
    it.
    """


class DownloadError(Exception):
    """A data set could not be fetched, though the request was right: one line that
    says what to do.
    """


@dataclass(frozen=True)
class Fetched:
    """A data set's folder, the archive's SHA-256 (empty if nothing was downloaded), and whether it
    was known before.
    """

    folder: Path
    sha256: str = ""
    known: bool = True


_fetching: ContextVar[bool] = ContextVar("_fetching", default=False)


def may_fetch() -> bool:
    """Whether a data set's function may use the network: only while `aexbench data
    get` makes it.
    """
    return _fetching.get()


@contextmanager
def fetching() -> Iterator[None]:
    """Let the functions of data sets use the network while the block runs."""
    token = _fetching.set(True)
    try:
        yield
    finally:
        _fetching.reset(token)


def find(download: Download) -> Path | None:
    """Return the folder of a data set that is here already."""
    return local_data.find(local_data.places(), download["folders"], download["contains"])


def fetch(download: Download, progress: Progress = lambda text, done, total: None) -> Fetched:
    """Return the folder of a data set that has a `url`; downloads and unpacks it unless it is here.

    Parameters
    ----------
    download
        Where it comes from.
    progress
        Called with what is being done, the bytes done, and how many there are (0: not known).

    Raises
    ------
    DownloadError
        If the network fails or the archive is not what it should be. What was received of the right
        archive stays, and the next call goes on from there.
    RequestError
        If pooch is not installed.
    """
    here = find(download)
    if here is not None:
        return Fetched(here)
    try:
        pooch = extras.optional("pooch", "data")
    except SkipError as error:
        raise RequestError(str(error)) from None
    target = local_data.data_folder() / download["folders"][0]
    if target.exists():
        raise DownloadError(
            f"{target} is there without its {download['contains']}: move it away, then try again"
        )
    work = files.make_folder(target.with_name(f".{target.name}.download"))
    with _alone(work):
        try:
            here = find(download)  # another process may just have fetched it
            return (
                Fetched(here)
                if here is not None
                else _fetch(pooch, download, target, work, progress)
            )
        finally:
            if work.exists() and not any(path.stat().st_size for path in work.iterdir()):
                shutil.rmtree(work)  # nothing was received: no more than the lock is in it


def received(url: str, sha256: str, size: int, work: Path, progress: Progress) -> Path:
    """Return a file that was downloaded into the folder `work`, of that size (bytes) and SHA-256.

    Raises
    ------
    DownloadError
        If the network fails or the file is another one.
    RequestError
        If pooch is not installed.
    """
    try:
        pooch = extras.optional("pooch", "data")
    except SkipError as error:
        raise RequestError(str(error)) from None
    own: Download = {"size": size, "folders": (), "contains": "", "page": url, "url": url}
    _check_space(work, 2 * size)
    pooch.get_logger().setLevel("WARNING")
    part = _Part(work / "part", own, progress)
    try:
        pooch.retrieve(url, f"sha256:{sha256}", "archive", work, downloader=part.receive)
    except ValueError:
        raise DownloadError(f"{url} has another SHA-256 than it should have") from None
    return work / "archive"


def _fetch(pooch: Any, download: Download, target: Path, work: Path, progress: Progress) -> Fetched:
    record, archive = target.with_name(f"{target.name}.source.json"), work / "archive"
    known = download.get("sha256") or _recorded(record)
    part = _Part(work / "part", download, progress)
    if (
        not known or 0 < download["size"] < part.size
    ):  # without a checksum nobody could tell that the file has changed
        part.path.unlink(missing_ok=True)
    _check_space(target.parent, download["size"] - part.size + download.get("unpacked", 0))
    pooch.get_logger().setLevel("WARNING")
    url = download.get("url", "")
    try:
        pooch.retrieve(
            url, f"sha256:{known}" if known else None, archive.name, work, downloader=part.receive
        )
    except ValueError:
        shutil.rmtree(work)
        raise DownloadError(_mismatch(download, None if "sha256" in download else record)) from None
    sha256 = known or pooch.file_hash(str(archive))
    _unpack(archive, target, download, progress)
    files.write_json(
        record,
        {"url": url, "sha256": sha256, "size": archive.stat().st_size, "page": download["page"]},
    )
    shutil.rmtree(work)
    return Fetched(target, sha256, known=bool(known))


def _unpack(archive: Path, target: Path, download: Download, progress: Progress) -> None:
    at_most = download.get("unpacked", 0) or 20 * archive.stat().st_size
    try:
        unpack(
            archive,
            target,
            at_most=at_most,
            inside=download.get("inside", ""),
            contains=download["contains"],
            progress=lambda done: progress("unpacking", done, 0),
        )
    except ArchiveError as error:
        shutil.rmtree(archive.parent)
        raise DownloadError(
            f"{download.get('url')}: {error}; nothing of it is kept. See {download['page']}"
        ) from None
    except OSError as error:
        reason = f"cannot unpack {archive}: {error.strerror}"
        raise DownloadError(f"{reason}. It stays; the same command goes on from there") from None


def _mismatch(download: Download, record: Path | None) -> str:
    text = f"{download.get('url')}: what it gives now has another SHA-256 than"
    if record is not None:
        return (
            f"{text} the first time, by {record}: delete that record if the publishers have "
            "changed "
            "the file"
        )
    return (
        f"{text} the data set should have, so nothing of it is kept. Try again, or see "
        f"{download['page']}"
    )


def _recorded(record: Path) -> str:
    """Return the checksum that an earlier download has left, or nothing."""
    found = (
        re.search(r'"sha256": "([0-9a-f]{64})"', record.read_text(errors="replace"))
        if record.is_file()
        else None
    )
    return found[1] if found else ""


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DownloadError(
            f"{folder} has {readable(free)} free and {readable(needed)} are needed: "
            "make room, or set AEXBENCH_DATA to a folder with more"
        )


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """Keep a second download of the same data set out: two that write to one file
    would spoil it.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    with (work / "lock").open("w") as file:
        try:
            fcntl.flock(
                file, fcntl.LOCK_EX | fcntl.LOCK_NB
            )  # the system lets go of it however the process ends
        except OSError:
            raise DownloadError(f"another process is at work in {work}: wait for it") from None
        yield


@dataclass(frozen=True)
class _Part:
    """The part of an archive that is here; receives the rest. Its method `receive` is a downloader
    of pooch.
    """

    path: Path
    download: Download
    progress: Progress

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def receive(self, url: str, output: str, pooch: Any = None) -> None:
        """Download the rest, and hand the whole file over for its checksum, as `output`, which is
        empty.
        """
        if not 0 < self.size == self.download["size"]:
            try:
                self._receive(url)
            except urllib.error.HTTPError as error:
                self._refused(url, error)
            except (
                OSError,
                HTTPException,
            ) as error:  # also what urllib makes of them, and a disk that is full
                raise self._stopped(
                    str(getattr(error, "reason", "") or error) or type(error).__name__
                ) from None
        os.unlink(output)
        try:
            os.link(
                self.path, output
            )  # should the check be interrupted, which takes its time, the part is still here
        except OSError:  # a file system without hard links
            os.replace(self.path, output)

    def _receive(self, url: str) -> None:
        headers = {"User-Agent": "aexbench", "Accept-Encoding": "identity"}
        if self.size:
            headers["Range"] = f"bytes={self.size}-"
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S
        ) as response:
            start = self._start(response)
            total = start + int(response.headers.get("Content-Length") or 0)
            if 0 < self.download["size"] < total:
                raise DownloadError(f"{url}: {total:,} bytes instead of {self.download['size']:,}")
            with self.path.open("r+b" if start else "wb") as file:
                file.seek(start)
                while piece := response.read(CHUNK):
                    file.write(piece)
                    start += len(piece)
                    if 0 < self.download["size"] < start:
                        raise DownloadError(
                            f"{url}: more than the {self.download['size']:,} bytes that it should "
                            "have"
                        )
                    self.progress("downloading", start, total or self.download["size"])
        if start < total:
            raise self._stopped("the connection was closed")

    def _start(self, response: HTTPResponse) -> int:
        """Return where the response's bytes belong: servers may send the whole file though the rest
        was asked for.
        """
        if response.status != 206:
            return 0
        found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != self.size:
            raise OSError("the server sent another part of the file than was asked for")
        return self.size

    def _refused(self, url: str, error: urllib.error.HTTPError) -> None:
        if error.code == 416:  # there is no such rest: what is here belongs to another file
            self.path.unlink()
            raise self._stopped("the file on the server is another one now") from None
        raise self._stopped(f"HTTP {error.code} {error.reason} from {url}") from None

    def _stopped(self, reason: str) -> DownloadError:
        whole = self.download["size"]
        here = f"{readable(self.size)} are here" + (
            f", {readable(whole - self.size)} are left" if whole else ""
        )
        return DownloadError(
            f"the download stopped: {plain(reason)}; {here}. The same command goes on from there. "
            f"(Should it fail again: {self.download['page']})"
        )


def readable(size: int) -> str:
    """Return a number of bytes as people write it.

    >>> readable(105_339_616)
    '105.3 MB'
    """
    if size < 1000:
        return f"{size} bytes"
    unit, name = next(
        (1000**power, name)
        for power, name in ((3, "GB"), (2, "MB"), (1, "kB"))
        if size >= 1000**power
    )
    return f"{size / unit:.1f} {name}"
