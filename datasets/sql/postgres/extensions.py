"""Statements that extensions log: in the plans of `auto_explain` and in the lines of `pgaudit`."""

from __future__ import annotations

import csv
import html
import json
import re
from typing import NamedTuple

PLAN = re.compile(r"duration: (?P<duration>\d+(?:\.\d+)?) ms  ?plan:\s*(?P<plan>.*)", re.DOTALL)
QUOTED = re.compile(r'\s*(?:\{\s*"Query Text"|Query Text): ("(?:[^"\\]|\\.)*")', re.DOTALL)
XML = re.compile(r"<Query-Text>(.*?)</Query-Text>", re.DOTALL)
TEXT = re.compile(r"Query Text: (.*)\Z", re.DOTALL)
PARAMETERS = re.compile(r"\nQuery (?:Parameters|Identifier): ")
NODE = re.compile(r"\n[^\n]*\(cost=\d+\.\d\d\.\.\d+\.\d\d rows=\d+ width=\d+\)")

AUDIT = "AUDIT: "
AUDIT_FIELDS = 9  # of a line of pgaudit; later releases have more
LOGGED = "<previously logged>"  # pgaudit.log_statement_once
UNLOGGED = ("<not logged>", "")  # pgaudit.log_statement = off


class Audited(NamedTuple):
    """A line of pgaudit: the number of a statement in its session, that of a part of it, and the
    text.
    """

    number: str
    part: str
    text: str


def planned(plan: str) -> str | None:
    """Return the statement that a plan of auto_explain is of, as text, JSON, XML or YAML; None
    where it is not there.

    >>> planned('Query Text: SELECT a\\n FROM t\\nSeq Scan on t  (cost=0.00..1.00 rows=1 width=4)')
    'SELECT a\\n FROM t'
    """
    if found := QUOTED.match(plan):
        try:
            return str(json.loads(found[1], strict=False)) or None
        except ValueError:
            return None
    if found := XML.search(plan):
        return html.unescape(found[1]) or None
    if found := TEXT.match(plan):
        text = PARAMETERS.split(NODE.split(found[1], maxsplit=1)[0], maxsplit=1)[0]
        return text.strip() or None
    return None


def audited(message: str) -> Audited | None:
    """Return what a message of pgaudit tells, or None if it is not whole.

    >>> audited("AUDIT: SESSION,7,1,READ,SELECT,,,SELECT 1,<none>")
    Audited(number='7', part='1', text='SELECT 1')
    """
    record = message.removeprefix(AUDIT)
    limit = csv.field_size_limit(max(len(record), 1))
    try:
        fields = next(csv.reader([record], strict=True), [])
    except csv.Error:
        return None
    finally:
        csv.field_size_limit(limit)
    return Audited(fields[1], fields[2], fields[7]) if len(fields) >= AUDIT_FIELDS else None
