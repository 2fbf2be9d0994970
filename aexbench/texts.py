"""Texts for others' eyes: without what a terminal would obey, and without folders of this machine.

What one line shows goes through `errors.plain`; this is for longer texts, and for paths.
"""

from __future__ import annotations

import re

from aexbench.errors import plain

_PART = r"[^\s/\\'\"`()\[\]{}<>|,;:*?=&]+"
_QUOTED = re.compile(
    r"(?P<quote>['\"`])(?:file://)?(?:/|[A-Za-z]:[\\/])(?P<path>[^'\"`\n]+)(?P=quote)"
)
_BARE = re.compile(
    rf"(?:\bfile://|(?<![\w/.~\\-]))/(?P<path>(?:{_PART}/)+(?:{_PART})?)"
    rf"|(?<!\w)[A-Za-z]:[\\/]+(?P<windows>(?:{_PART}[\\/]+)*(?:{_PART})?)"
)
_SEPARATORS = re.compile(r"[\\/]+")


def counted(count: int, what: str) -> str:
    """Return how many there are of something.

    >>> counted(1, "cell"), counted(2, "cell")
    ('1 cell', '2 cells')
    """
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def plain_lines(text: str) -> str:
    """Return a stranger's text without control characters, line by line.

    >>> plain_lines("one\\x1b[2J\\ntwo\\r\\n")
    'one [2J\\ntwo \\n'
    """
    return "\n".join(plain(line) for line in text.split("\n"))


def pathless(text: str) -> str:
    """Return a text with the last part in place of every absolute path.

    >>> pathless("No such file or directory: '/home/me/my data/rows.csv'")
    "No such file or directory: 'rows.csv'"
    >>> pathless("see /srv/models/net.pt:12, https://example.org/a/b and wine / null")
    'see net.pt:12, https://example.org/a/b and wine / null'
    """
    if "/" not in text and "\\" not in text:
        return text
    return _BARE.sub(_bare, _QUOTED.sub(_quoted, text))


def _quoted(found: re.Match[str]) -> str:
    return f"{found['quote']}{_last(found['path'])}{found['quote']}"


def _bare(found: re.Match[str]) -> str:
    return _last(found["path"] or found["windows"] or "")


def _last(path: str) -> str:
    parts = [part for part in _SEPARATORS.split(path) if part]
    return parts[-1] if parts else ""
