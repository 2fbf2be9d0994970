"""The lines of a file, whatever it is packed in: plain, gzip, bzip2, xz; UTF-8, UTF-16, UTF-32.

What the standard library does not read is named, and never read as if it were text.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from aexbench.datasets.sql.postgres.collectors import STAMP
from aexbench.datasets.sql.postgres.lines import LONGEST, Report
from aexbench.errors import plain

HEAD = 512  # bytes by which a file is known
OPENERS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
UNREAD = {
    b"PK\x03\x04": "is a zip archive",
    b"PK\x05\x06": "is an empty zip archive",
    b"\x28\xb5\x2f\xfd": "is compressed with zstd",
    b"\x04\x22\x4d\x18": "is compressed with lz4",
    b"\x1f\x9d": "is compressed with compress",
    b"7z\xbc\xaf\x27\x1c": "is a 7z archive",
    b"Rar!": "is a rar archive",
}
START = rb"(?:\xef\xbb\xbf)?\s*"
SPREAD = {  # JSON that is not one object a line
    re.compile(START + rb"\[\s*\{"): "is a JSON array: write one object a line (jq -c '.[]')",
    re.compile(START + rb"\{\s*\n"): "holds objects of several lines: write one a line (jq -c .)",
}
ENCODINGS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
ERRORS = (EOFError, OSError, zlib.error, lzma.LZMAError)
# Under which key an object of JSON holds a line of a program's output: docker's json-file driver,
# the journal, Google's exports.
KEYS = ("log", "MESSAGE", "textPayload")
NODE = re.compile(rf"({STAMP} (std(?:out|err))) ([FP]) ")  # a kubernetes node's own files


class Part(NamedTuple):
    """A line, or one of the parts that long lines (16 kB) are written in: where it comes from,
    what stands before its text, the text, and whether more follows.
    """

    stream: str
    before: str
    text: str
    more: bool


def unread(path: Path) -> str | None:
    """Return what a file is that cannot be read line by line, and what to do, or None."""
    try:
        with path.open("rb") as stream:
            magic = stream.read(8)
        named = next((what for start, what in UNREAD.items() if magic.startswith(start)), None)
        head = b"" if named else _head(path)
    except ERRORS:
        return None  # its lines end early, and that is said
    archive = "is a tar archive" if head[257:262] == b"ustar" else named
    spread = next((what for form, what in SPREAD.items() if form.match(head)), None)
    what = f"{archive}: unpack it first" if archive else spread
    return None if what is None else plain(f"{path.name} {what}")


def lines(path: Path, report: Report) -> Iterator[str]:
    """Yield the lines with their ends; of a file that is cut off or damaged those
    that can be had. Lines that a container's log has split are whole again.
    """
    return _whole(_lines(path, report))


def _lines(path: Path, report: Report) -> Iterator[str]:
    try:
        with _text(path) as stream:
            while line := stream.readline(LONGEST):
                report.line += 1
                report.lines += 1
                text = line if isinstance(line, str) else line.decode("utf-8", "replace")
                yield text.lstrip("\0\ufeff")  # a crash may leave a block of NUL bytes
    except ERRORS as error:
        report.notes.append(plain(f"{path.name} ends early after line {report.line} ({error})"))


def _whole(lines: Iterator[str]) -> Iterator[str]:
    held: dict[str, str] = {}
    for line in lines:
        part = _part(line)
        if part is None:
            yield line
            continue
        text = held.pop(part.stream, part.before) + part.text
        if part.more and len(text) < LONGEST:
            held[part.stream] = text
        else:
            yield text
    yield from held.values()


def _part(line: str) -> Part | None:
    """Return the part of a line that a container's log holds; None where it is not from one."""
    if line.startswith("{"):
        return next((_unwrapped(line, key) for key in KEYS if f'"{key}":' in line), None)
    if (found := NODE.match(line)) is None:
        return None
    more, text = found[3] == "P", line[found.end() :]
    return Part(found[2], f"{found[1]} F ", text.rstrip("\r\n") if more else text, more)


def _text(path: Path) -> IO[bytes] | IO[str]:
    """Open a file, as bytes where it is UTF-8 or something like it."""
    encoding = _encoding(_head(path))
    if encoding is None:
        return _open(path)
    return io.TextIOWrapper(_open(path), encoding, errors="replace", newline="\n")


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as stream:
        magic = stream.read(8)
    known = (opener for start, opener in OPENERS.items() if magic.startswith(start))
    opened: IO[bytes] = next(known, lambda path: path.open("rb"))(path)
    return opened


def _head(path: Path) -> bytes:
    with _open(path) as stream:
        return stream.read(HEAD)


def _encoding(head: bytes) -> str | None:
    """Return the encoding that a byte-order mark tells, or that every other byte is 0; None where
    neither is.
    """
    for mark, name in ENCODINGS.items():
        if head.startswith(mark):
            return name
    pairs = head[: len(head) // 2 * 2]
    for name, letters, zeros in (("utf-16-le", 0, 1), ("utf-16-be", 1, 0)):
        if len(pairs) > 8 and not any(pairs[zeros::2]) and 0 not in pairs[letters::2]:
            return name
    return None


def _unwrapped(line: str, key: str) -> Part | None:
    try:
        values = json.loads(line)
        text, stream = values[key], str(values.get("stream", ""))
    except (ValueError, KeyError, RecursionError):
        return None
    if not isinstance(text, str):
        return None
    if key != "log":  # only docker keeps the end of a line, and parts a long one
        text = f"{text}\n"
    return Part(stream, "", text, not text.endswith("\n"))
