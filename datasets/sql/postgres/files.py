"""From a path to the files of a log: plain or compressed, of which format, in which order."""

from __future__ import annotations

import bz2
import gzip
import math
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Literal

from aexbench import RequestError
from aexbench.datasets.sql.postgres.lines import (
    CSV_ENTRY,
    LONGEST,
    Entry,
    Report,
    csvlog,
    jsonlog,
    stderr,
)
from aexbench.datasets.sql.postgres.prefix import guess, line_pattern
from aexbench.errors import plain

Format = Literal["stderr", "csvlog", "jsonlog"]
RICHEST: tuple[Format, ...] = (
    "csvlog",
    "jsonlog",
    "stderr",
)  # where a server has written one log in several formats
HEAD = 1000  # lines by which a format is known
LOG_NAME = re.compile(r".+\.(?:log|csv|json)(?:[.-][\w.-]*)?")


@dataclass(frozen=True)
class LogFile:
    """A file of known format; `pattern` takes the lines of stderr apart."""

    path: Path
    format: Format
    pattern: re.Pattern[str] | None = None

    def entries(self, report: Report) -> Iterator[Entry]:
        """Yield the entries; what is met goes into `report`."""
        report.file, report.line = plain(self.path.name), 0
        for entry in self._read(_lines(self.path, report), report):
            report.entries += 1
            yield entry

    def _read(self, lines: Iterator[str], report: Report) -> Iterator[Entry]:
        if self.pattern is not None:
            return stderr(lines, report, self.pattern)
        return csvlog(lines, report) if self.format == "csvlog" else jsonlog(lines, report)

    def begin(self) -> tuple[float, str]:
        """Return the time of the first entry, and the name for those that have none."""
        known = (
            entry.time
            for entry in islice(self.entries(Report()), HEAD)
            if not math.isnan(entry.time)
        )
        return next(known, math.inf), self.path.name


def find(
    path: Path, format: Literal["auto"] | Format, prefix: str | None, report: Report
) -> list[LogFile]:
    """Return the log files that `path` is or holds, in the order of time; of several formats only
    the richest.

    Raises
    ------
    RequestError
        If there is none, or the prefix of one cannot be guessed.
    """
    paths, probe = _paths(path), Report()
    heads = {file: [line[:2000] for line in islice(_lines(file, probe), HEAD)] for file in paths}
    formats = {file: _format(head) for file, head in heads.items() if any(map(str.strip, head))}
    if not formats:
        raise RequestError(
            f"there is nothing to read in {path}: {'; '.join(probe.notes) or 'it is empty'}"
        )
    wanted = (
        next(known for known in RICHEST if known in formats.values())
        if format == "auto"
        else format
    )
    files = [
        file
        for file, own in formats.items()
        if own == wanted or (len(paths) == 1 and format != "auto")
    ]
    if not files:
        raise RequestError(
            f"{path} holds no {wanted} log, but {' and '.join(sorted(set(formats.values())))}"
        )
    if len(files) < len(paths):
        report.notes.append(
            f"{len(paths) - len(files)} files left out, empty or in another format than {wanted}"
        )
    patterns = (
        _pattern(file, heads[file], prefix) if wanted == "stderr" else None for file in files
    )
    logs = [LogFile(file, wanted, pattern) for file, pattern in zip(files, patterns, strict=True)]
    return sorted(logs, key=LogFile.begin)


def _paths(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise RequestError(f"there is no file or folder {path}")
    paths = sorted(
        file for file in path.iterdir() if file.is_file() and LOG_NAME.fullmatch(file.name.lower())
    )
    if not paths:
        raise RequestError(
            f"{path} holds no logs: names must be like server.log, server.csv.1, "
            "server.json-2024.gz"
        )
    return paths


def _format(head: list[str]) -> Format:
    if any(map(CSV_ENTRY.match, head)):
        return "csvlog"
    return "jsonlog" if any(line.startswith('{"') for line in head) else "stderr"


def _pattern(file: Path, head: list[str], prefix: str | None) -> re.Pattern[str]:
    if prefix is None and (prefix := guess(head)) is None:
        lines = [line for line in head if line.strip()]
        example = plain(lines[len(lines) // 2][:120].strip())
        way_out = "give prefix=…, as SHOW log_line_prefix prints it"
        raise RequestError(
            f"cannot guess the log_line_prefix of {plain(file.name)}: {way_out}; a line: "
            f"{example!r}"
        )
    return line_pattern(prefix)


def _lines(path: Path, report: Report) -> Iterator[str]:
    """Yield the lines with their ends; of a file that is cut off or damaged those
    that can be had.
    """
    try:
        with _open(path) as stream:
            while line := stream.readline(LONGEST):
                report.line += 1
                report.lines += 1
                yield line.decode("utf-8", "replace").lstrip(
                    "\0\ufeff"
                )  # a crash may leave a block of NUL bytes
    except (EOFError, OSError, zlib.error) as error:
        report.notes.append(plain(f"{path.name} ends early after line {report.line} ({error})"))


def _open(path: Path) -> BinaryIO | gzip.GzipFile | bz2.BZ2File:
    with path.open("rb") as stream:
        magic = stream.read(3)
    if magic[:2] == b"\x1f\x8b":
        return gzip.open(path)
    return bz2.open(path) if magic == b"BZh" else path.open("rb")
