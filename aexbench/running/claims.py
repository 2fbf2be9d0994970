"""Claims: several coordinators on one store share its cells, on one host or on several.

    claims/<key>.json   who works on a cell: the first writer has it

A claim lasts as long as its owner touches it. That of an owner who is gone is taken over; its cell
was begun and never ended.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from aexbench import files
from aexbench.digests import value_digest
from aexbench.errors import StoreError
from aexbench.running.cells import Cell
from aexbench.running.store import Store

BEAT_S = 10.0  # between two touches
GONE_S = 60.0  # without a touch: its owner is gone, or its host


class Claims:
    """The claims of one coordinator."""

    def __init__(self, store: Store) -> None:
        self.folder = files.make_folder(store.root.absolute() / "claims")
        self.own: dict[str, Path] = {}
        self._seen: dict[Path, tuple[float | None, float]] = {}  # when claims were touched
        self._me, self._beaten = Owner(_host(), os.getpid(), _started(os.getpid())), 0.0

    def take(self, key: str, what: str) -> bool:
        """Claim a cell or a round by its key, and return whether nobody else has it."""
        path = self._path(key)
        if self._left(path):
            self._remove(path)
        try:
            with suppress(FileExistsError), path.open("x", encoding="utf-8") as file:
                json.dump({**self._me._asdict(), "cell": what}, file)
                self.own[key] = path
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror or error}") from None
        return key in self.own

    def release(self, key: str) -> None:
        """Give up the claim of a cell that has its record."""
        self.own.pop(key).unlink(missing_ok=True)

    def release_all(self) -> None:
        """Give up all claims."""
        for key in list(self.own):
            self.release(key)

    def beat(self, now: float) -> None:
        """Touch the own claims, every ten seconds of the clock `now` is of."""
        if now - self._beaten >= BEAT_S:
            self._beaten = now
            for path in self.own.values():
                with suppress(OSError):
                    path.touch()

    def others(self) -> int:
        """Return how many other coordinators work on the store at this host."""
        found = {_owner(path) for path in self.folder.glob("*.json")}
        here = {owner for owner in found if owner.host == self._me.host and owner.runs()}
        return len(here - {self._me})

    def begun(self, cells: Iterable[Cell]) -> list[Cell]:
        """Return the cells whose owner is gone."""
        return [cell for cell in cells if self._left(self._path(cell.key))]

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def _left(self, path: Path, aside: Path | None = None) -> bool:
        """Whether a claim's owner is gone; `aside` is where it lies now, if not at its place."""
        place, path = path, aside or path
        owner = _owner(path)
        if owner.host == self._me.host:
            return not owner.runs()
        with suppress(FileNotFoundError):
            touched = path.stat().st_mtime
            return self._now() - touched > GONE_S or self._unchanged(place, touched)
        return False

    def _unchanged(self, path: Path, touched: float) -> bool:
        """Whether a claim was long not touched by the clock of this process: that of the files may
        have been set back.
        """
        since, now = self._seen.get(path, (None, 0.0)), time.monotonic()
        if since[0] != touched:
            self._seen[path] = (touched, now)
            return False
        return now - since[1] > GONE_S

    def _now(self) -> float:
        """Return the time by the clock of the store's file system."""
        probe = self.folder / f".{secrets.token_hex(4)}{files.TEMPORARY}"
        probe.touch()
        try:
            return probe.stat().st_mtime
        finally:
            probe.unlink(missing_ok=True)

    def _remove(self, path: Path) -> None:
        """Remove a claim that is left, if no other coordinator is quicker."""
        aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}{files.TEMPORARY}")
        with suppress(FileNotFoundError):
            os.rename(path, aside)
            if not self._left(path, aside):  # one was quicker, and has claimed it since
                with suppress(FileExistsError):
                    os.link(aside, path)
            aside.unlink()


class Owner(NamedTuple):
    """Whose a claim is: a process of a host, and when that was started. Numbers of processes are
    given again.
    """

    host: str
    pid: int
    started: str

    def runs(self) -> bool:
        """Whether it is alive, if it is of this host."""
        return _runs(self.pid) and self.started in ("", _started(self.pid))


def _owner(path: Path) -> Owner:
    """Return a claim's owner; nobody of one that is gone, or was cut off while it was written: its
    age tells.
    """
    try:
        owner = files.parse(files.read(path))
        return Owner(str(owner["host"]), int(owner["pid"]), str(owner.get("started", "")))
    except (ValueError, LookupError, TypeError, AttributeError, FileNotFoundError):
        return Owner("", 0, "")


def _started(pid: int) -> str:
    """Return when a process was started, in ticks since its host was; nothing where the system does
    not say.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]


def _host() -> str:
    """Return what tells hosts apart where process numbers may mean others; no name of one."""
    known = [platform.node()]
    with suppress(OSError):
        known.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        known.append(str(os.stat("/proc/self/ns/pid").st_ino))
    return value_digest(known)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # the latter for what is no number of a process
        return False
    except OSError:  # somebody else's
        return True
    return True
