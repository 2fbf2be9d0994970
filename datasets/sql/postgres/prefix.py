"""The server's `log_line_prefix`: from its escapes to a pattern that takes a line of the log apart.

What an escape writes is bounded in length, so that a hostile line cannot make the pattern try for
ever.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

SEVERITIES = ("LOG", "ERROR", "FATAL", "PANIC", "WARNING", "NOTICE", "INFO", "DEBUG[1-5]?")
DETAILS = (
    "DETAIL",
    "HINT",
    "QUERY",
    "CONTEXT",
    "LOCATION",
    "BACKTRACE",
    "STATEMENT",
)  # they belong to the line before
NAME = r".{0,127}?"  # a server built as usual cuts names after 63 bytes
STRICT = r"(?:\[unknown\]|[^]\s,;:=@/|()[]{0,63})"  # for a guess: no piece of another prefix
STRICT_USER = STRICT.replace("@", "")  # before a sign @: such as svc@project.iam
HOST = r"(?:\[local\]|[\w.:%?-]{0,255})"
REMOTE = r"(?:\[local\]|[\w.:%?-]{1,255}\(\d{1,5}\))?"
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
ZONE = r"(?: (?:[A-Za-z]{2,6}|[+-]\d{2,4}))?"  # a server on Windows may write none
SESSION = r"[0-9a-f]{1,16}\.[0-9a-f]{1,8}"

# By escape: the name under which the value is kept, if it is, and what the server writes.
ESCAPES = {
    "a": ("program", NAME),
    "u": ("user", NAME),
    "d": ("database", NAME),
    "r": ("remote", REMOTE),
    "h": ("host", HOST),
    "L": ("", HOST),
    "b": ("", NAME),
    "p": ("pid", r"\d{1,10}"),
    "P": ("", r"\d{0,10}"),
    "t": ("time", TIME + ZONE),
    "m": ("time", TIME + r"\.\d{3}" + ZONE),
    "n": ("epoch", r"\d{1,12}\.\d{3}"),
    "i": ("", NAME),
    "e": ("sqlstate", r"[0-9A-Z]{5}"),
    "c": ("session", SESSION),
    "l": ("", r"\d{1,20}"),
    "s": ("start", TIME + ZONE),
    "v": ("", r"(?:-?\d{1,10}/\d{1,10})?"),
    "x": ("", r"\d{1,20}"),
    "Q": ("", r"-?\d{1,20}"),
}
ESCAPE = re.compile(r"%(-?)(\d*)(.)", re.DOTALL)
# A user and a database with a sign between them that names may contain.
PAIR = re.compile(
    r"(?<!%)(?P<one>%-?\d*(?P<first>[ud]))(?P<sign>[^%A-Za-z0-9]{1,3})"
    r"(?P<other>%-?\d*(?!(?P=first))[ud])"
)

# Of the servers' own defaults, of packagers, hosting services and log analysers. What fits a prefix
# fits the same with a `%q` too, and the head of a log may hold no session yet: those with `%q` come
# first.
COMMON = (
    "%m [%p] %q%u@%d ",
    "%m [%p] %q[user=%u,db=%d,app=%a] ",
    "%m [%p] %quser=%u,db=%d,app=%a,client=%h ",
    "%m [%p] ",
    "%m [%p]: ",
    "%m [%p]: [%l-1] db=%d,user=%u ",
    "%m [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
    "%m [%p]: user=%u,db=%d,app=%a,client=%h ",
    "%m:%r:%u@%d:[%p]:",
    "%m:%r:%u@%d:[%p]:%l:%e:%s:%v:%x:%c:%q%a:",
    "%m %u@%d [%p] ",
    "%m ",
    "%t [%p] %q%u@%d ",
    "%t [%p-%l] %q%u@%d ",
    "%t [%p] ",
    "%t [%p]: ",
    "%t [%p]: [%l-1] ",
    "%t [%p]: [%l-1] user=%u,db=%d ",
    "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
    "%t [%p]: [%l-1] %c %x %d %u %a %h ",
    "%t [%p]: user=%u,db=%d,app=%a,client=%h ",
    "%t:%r:%u@%d:[%p]:",
    "%t-%c-",
    "%t ",
    "< %m >",
    "< %m > ",
    "< %t >",
    "[%p] ",
    "",
)


def line_pattern(prefix: str, strict: bool = False, before: str = "") -> re.Pattern[str]:
    """Return the pattern of a line that begins a message: groups by name, among them `severity` and
    `message`; group 1 is what comes before the server's first escape.

    Of `%u@%d` the database is what has no `@`. With another sign between the two, names that have
    it too are not told apart: they are the group `unclear`.

    Parameters
    ----------
    prefix
        As `SHOW log_line_prefix` prints it. Escapes that the server does not know it leaves out,
        and so does this.
    strict
        Take for users and databases only what can be nothing else.
    before
        The pattern of what a collector puts before each line.

    Examples
    --------
    >>> line_pattern("%m [%p] ").match("2024-05-06 07:08:09.123 CET [42] LOG:  ready")["message"]
    'ready'
    >>> line_pattern("%u@%d ").match("ann@corp.example@shop LOG:  ready")["user"]
    'ann@corp.example'
    """
    lead, _, _ = prefix.partition("%")
    rest, taken = prefix.removeprefix(lead), set[str]()
    names = {"u": STRICT, "d": STRICT} if strict else {}
    pair = PAIR.search(rest)
    if pair is None or {"u", "d"} & set(re.findall(r"%-?\d*(.)", rest[: pair.start()])):
        text = _escapes(rest, taken, names)
    else:
        text = _escapes(rest[: pair.start()], taken, names)
        text += _pair(pair, taken, strict) + _escapes(rest[pair.end() :], taken, names)
    ends = ")?" * text.count("(?:(?#q)")
    severity = "|".join((*SEVERITIES, *DETAILS))
    end = rf"(?P<severity>{severity}):  ?(?P<message>.*)"
    return re.compile(rf"({before}{re.escape(lead)}){text}{ends}{end}", re.DOTALL)


def _pair(pair: re.Match[str], taken: set[str], strict: bool) -> str:
    """Return the pattern of a user and a database with a sign between them."""
    piece, sign = pair[0], re.escape(pair["sign"])
    if pair["sign"] == "@":  # in users often, in databases hardly ever
        names = {"u": STRICT_USER, "d": STRICT} if strict else {"d": r"[^@]{0,127}?"}
        return _escapes(piece, taken, names)
    if strict:
        return _escapes(piece, taken, {"u": STRICT, "d": STRICT})
    name = rf"(?:(?!{sign}).){{0,127}}?"
    clear = _escapes(piece, taken, {"u": name, "d": name})
    return rf"(?:{clear}|(?P<unclear>.{{0,255}}?))"


def _escapes(prefix: str, taken: set[str], names: Mapping[str, str]) -> str:
    """Return the pattern of a piece of a prefix; `names` has patterns of its own for users and
    databases.
    """
    parts, end = list[str](), 0
    for found in ESCAPE.finditer(prefix):
        parts += [re.escape(prefix[end : found.start()]), _escape(found, taken, names)]
        end = found.end()
    return "".join((*parts, re.escape(prefix[end:].removesuffix("%"))))


def _escape(found: re.Match[str], taken: set[str], names: Mapping[str, str]) -> str:
    """Return the pattern of one escape; a name that is taken already gets no second group."""
    minus, width, letter = found.groups()
    if letter == "%" and not width:
        return "%"
    if letter == "q":
        return "(?:(?#q)"  # a process without a session stops here: the rest may be missing
    if letter not in ESCAPES:
        return ""
    name, pattern = ESCAPES[letter]
    pattern = names.get(letter, pattern)
    if name and name not in taken:
        taken.add(name)
        pattern = f"(?P<{name}>{pattern})"
    blanks = rf" {{0,{min(int(width), 300)}}}" if width else ""
    return f"{pattern}{blanks}" if minus else f"{blanks}{pattern}"


def guess(lines: Sequence[str]) -> str | None:
    """Return the one of `COMMON` that most lines begin with, if three quarters do; of equals what
    tells more.
    """
    prefix, matching, of = nearest(lines)
    return prefix if of and 4 * matching >= 3 * of else None


def nearest(lines: Sequence[str]) -> tuple[str, int, int]:
    """Return the one of `COMMON` that most lines begin with, how many do, and of how many."""
    heads = [line for line in lines if line.strip() and not line.startswith("\t")]

    def fit(prefix: str) -> tuple[int, int]:
        matches = [found for found in map(line_pattern(prefix, strict=True).match, heads) if found]
        return len(matches), sum(sum(map(bool, found.groups())) for found in matches)

    fits = {prefix: fit(prefix) for prefix in COMMON}
    best = max(fits, key=lambda prefix: fits[prefix])
    return best, fits[best][0], len(heads)
