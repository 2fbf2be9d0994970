"""What collectors of logs put before every line of the server's: docker compose, kubernetes,
syslog.

The server begins the further lines of a message with a tab. Behind a collector's prefix they belong
to the last message that came from the same source: the same prefix, its time and counter aside.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

COLOUR = r"(?:\x1b\[[\d;]{0,20}m)*"
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
CLOCK = r"[^\W\d_]{3,5}\.? [ \d]?\d \d\d:\d\d:\d\d(?:\.\d{1,9})?"  # May  1 10:00:00
NUMBER = r"(?:\[\d{1,20}-\d{1,20}\] ?)?"  # the server's own, of a message and its line
HOST = r"[\w.:-]{1,255}"
PROGRAM = r"[\w./@-]{1,128}(?:\[[\w.-]{1,64}\])?"

COMPOSE = rf"{COLOUR}[\w.-]{{1,128}} *\| ?{COLOUR}"  # db-1  |
POD = rf"{COLOUR}\[[\w./-]{{1,255}}\]{COLOUR} "  # [pod/db-0/postgres]
CONTAINER = rf"{STAMP} std(?:out|err) [FP] "  # a kubernetes node's own files
SYSLOG_5424 = rf"<\d{{1,3}}>1 {STAMP}(?: \S{{1,255}}){{4}} (?:-|\[[^]]{{0,500}}\]) \ufeff?{NUMBER}"
SYSLOG = rf"(?:<\d{{1,3}}>)?(?:{CLOCK}|{STAMP}) {HOST} {PROGRAM}: ?{NUMBER}"
OUTER = (COMPOSE, POD, "")
INNER = (CONTAINER, SYSLOG_5424, SYSLOG, f"{STAMP} ", "")
COLLECTORS = tuple(outer + inner for outer in OUTER for inner in INNER if outer + inner)

TAB = re.compile(r"\t|#011|\^I")  # as it is, and as rsyslog and busybox write it
BREAK = re.compile(r"#012#011|\^J\^I")
VARYING = re.compile(rf"{STAMP}|{CLOCK}|\[\d{{1,20}}-\d{{1,20}}\]|\d{{9,}}(?:\.\d+)?")
SHARE = 0.75  # of the lines, from which on a collector has written them


def collector(lines: Sequence[str]) -> str:
    """Return the pattern of what a collector has put before these lines, empty if none has.

    >>> bool(collector(["db-1  | LOG:  ready", "db-1  | \\tto go"]))
    True
    """
    filled = [line for line in lines if line.strip()]
    for pattern in COLLECTORS:
        match = re.compile(pattern).match
        if filled and sum(map(bool, map(match, filled))) >= SHARE * len(filled):
            return pattern
    return _constant(filled)


def _constant(lines: Sequence[str]) -> str:
    """Return the pattern of what nearly all lines begin with: it is known from those that go on
    with a tab.
    """
    befores = Counter(line[: found.start()] for line in lines if (found := TAB.search(line)))
    before, _ = max(befores.items(), key=lambda item: item[1], default=("", 0))
    shared = sum(line.startswith(before) for line in lines)
    return re.escape(before) if shared >= SHARE * len(lines) else ""


def source(before: str) -> str:
    """Return what stays the same in what a collector puts before the lines of one source.

    >>> source("May  1 10:00:00 host postgres[7]: [5-2] ")
    '~ host postgres[7]: ~ '
    """
    return VARYING.sub("~", before)


def continued(line: str) -> tuple[str, str] | None:
    """Return the source and the text of a line that the server began with a tab, or None."""
    found = TAB.search(line)
    if found is None:
        return None
    text = line[found.end() :]
    return source(line[: found.start()]), text if found[0] == "\t" else TAB.sub("\t", text)
