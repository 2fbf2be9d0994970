"""What collectors of logs put before every line of the server's: docker compose, kubernetes,
syslog, journald, CloudWatch.

The server begins the further lines of a message with a tab. Behind a collector's prefix they belong
to the last message that came from the same source: the same prefix, its time and counter aside.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

COLOUR = r"(?:\x1b\[[\d;]{0,20}m)*"
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
CLOCK = r"[^\W\d_]{3,5}\.? [ \d]?\d (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d{1,9})?"  # May  1 10:00:00
ZONE = r"(?:[A-Za-z]{2,6}|[+-]\d\d(?::?\d\d)?)"
# Of the journal: Mon 2024-05-06 10:00:00 CEST, 1714982400.123456
FULL = rf"[^\W\d_]{{2,5}}\.? \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{{1,9}})? {ZONE}"
UNIX = r"\d{9,12}\.\d{6}"
NUMBER = r"(?:\[\d{1,20}-\d{1,20}\] ?)?"  # the server's own, of a message and its line
HOST = r"[\w.:-]{1,255}"
PROGRAM = r"[\w./@-]{1,128}(?:\[[\w.-]{1,64}\])?"

COMPOSE = rf"(?:{STAMP} )?{COLOUR}[\w.@-]{{1,128}} *\|{COLOUR} ?{COLOUR}"  # db-1  |
POD = rf"{COLOUR}\[[\w./-]{{1,255}}\]{COLOUR} "  # [pod/db-0/postgres]
CONTAINER = rf"{STAMP} std(?:out|err) [FP] "  # a kubernetes node's own files
SYSLOG_5424 = rf"<\d{{1,3}}>1 {STAMP}(?: \S{{1,255}}){{4}} (?:-|\[[^]]{{0,500}}\]) \ufeff?{NUMBER}"
SYSLOG = rf"(?:<\d{{1,3}}>)?(?:{CLOCK}|{STAMP}|{FULL}|{UNIX}) {HOST} {PROGRAM}: ?{NUMBER}"
STREAM = rf"{STAMP} \S{{1,255}} "  # of CloudWatch, after its time
OUTER = (COMPOSE, POD, "")
INNER = (CONTAINER, SYSLOG_5424, SYSLOG, f"{STAMP} ", STREAM, "")
COLLECTORS = tuple(outer + inner for outer in OUTER for inner in INNER if outer + inner)
# Before a time of the server's, where its prefix is known; behind a quote it is in another table.
ANY = r"[^\t]{0,255}?(?<![\"'])"

TAB = re.compile(r"\t|#011|\^I")  # as it is, and as rsyslog and busybox write it
BREAK = re.compile(r"#012#011|\^J\^I")
VARYING = re.compile(rf"{STAMP}|{FULL}|{CLOCK}|\[\d{{1,20}}-\d{{1,20}}\]|\d{{9,}}(?:\.\d+)?")
SHARE = 0.75  # of the lines, from which on a collector has written them


def collectors(lines: Sequence[str]) -> list[str]:
    """Return the patterns of what a collector may have put before these lines, the likeliest first.

    They are several where the server's own time looks like a host: what follows decides.

    >>> pattern, *_ = collectors(["db-1  | LOG:  ready", "db-1  | \\tto go"])
    >>> re.match(pattern, "db-1  | LOG:  ready")[0]
    'db-1  | '
    """
    filled = [line for line in lines if line.strip()]
    least = max(SHARE * len(filled), 1)
    known = [
        pattern
        for pattern in COLLECTORS
        if sum(map(bool, map(re.compile(pattern).match, filled))) >= least
    ]
    return known + [constant for constant in [_constant(filled)] if constant not in ("", *known)]


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
