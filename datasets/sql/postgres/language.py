"""Whether a message tells of a statement in another language than English: by its form, a word and
a statement behind it.
"""

from __future__ import annotations

import re

from aexbench.errors import plain

SQL = (
    "(?i:select|insert|update|delete|with|begin|commit|rollback|set|show|create|alter|drop|copy"
    "|truncate|grant|revoke|start|explain|vacuum|analyze|fetch|close|declare|execute|prepare"
    r"|deallocate|discard|savepoint|release|lock|merge|values|table|listen|notify|call|do)\b"
)
LETTER, COLON = r"[^\W\d_]", "[:：]"
ENGLISH = r"(?!(?:statement|execute|parse|bind|duration|AUDIT|Query Text|cron job)\b)"
LABEL = rf"{ENGLISH}{LETTER}[^:：\n]{{0,200}}{COLON}\s*"  # Anweisung:
DURATION = rf"{ENGLISH}{LETTER}[^:：\n]{{0,40}}{COLON} ?\d+(?:[.,]\d+)? ?{LETTER}{{1,8}}\.?"
TOLD = rf"(?:{DURATION}[ ,]+)?{LABEL}{SQL}|{DURATION}\Z"
MESSAGE = re.compile(TOLD)
SEVERITY = rf"{ENGLISH}{LETTER}{{2,20}} ?{COLON}"
# ANWEISUNG:  SELECT 1
STATEMENT = rf"(?!STATEMENT|QUERY|LOG|CONTEXT)[^\W\d_a-z]{{2,20}} ?{COLON}  ?{SQL}"
LINE = re.compile(rf"(?<!{LETTER})(?:{SEVERITY} {{1,2}}(?:{TOLD})|{STATEMENT})")
WAY_OUT = "are not in English, and no others are read: the server needs lc_messages = 'C'"


def foreign(message: str) -> bool:
    """Whether a message tells of a statement in another language.

    >>> foreign("Anweisung: SELECT 1"), foreign("durée : 0.5 ms  instruction : BEGIN")
    (True, True)
    >>> foreign("statement: SELECT 1"), foreign("checkpoint starting: time")
    (False, False)
    """
    return MESSAGE.match(message[:2000]) is not None


def foreign_line(line: str) -> str:
    """Return what in a line of a log is such a message, with its severity, or nothing."""
    found = LINE.search(line[:2000].rstrip("\r\n"))
    return "" if found is None else plain(found[0].strip()[:120])
