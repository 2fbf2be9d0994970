"""What a statement's text tells: its command, and how many tables, joins, comparisons, columns and
constants it has.

Parsing is slow and workloads repeat themselves, so constants are taken out first and each form is
parsed once. This is the one module that needs `sqlglot`.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple

import sqlglot
from sqlglot import exp

FORMS = 4096  # kept in memory, each at most LONGEST_FORM characters
LONGEST_FORM = 20_000  # characters without constants; a longer form is not parsed

# Every quantifier over text is possessive, and what has no end ends with the text: time grows with
# the length alone.
CONSTANT = re.compile(
    r"""(?P<comment>--[^\n]*+|/\*.*?(?:\*/|\Z))
    |(?P<name>"[^"]*+(?:"|\Z))
    |(?P<parameter>(?<![\w$])\$\d++)
    |(?P<text>(?<![\w$])[eE]'[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+(?:'|\Z)
        |(?:(?<![\w$])(?:[bBxXnN]|[uU]&))?'[^']*+(?:''[^']*+)*+(?:'|\Z)
        |(?<![\w$])\$((?:[A-Za-z_]\w*+)?)\$.*?(?:\$\5\$|\Z))
    |(?P<number>(?<![\w$.])(?:0[xX][0-9a-fA-F]++|\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?)""",
    re.DOTALL | re.VERBOSE,
)
# Lists of constants say no more than their first one does: `IN (1, 2, 3)`, `VALUES (1, 'a'), (2,
# 'b')`.
VALUE = r"[-+]?(?:0|'')(?:::\w++)?"
LIST = re.compile(rf"(?i)\b((?:in ?\(|array ?\[) ?{VALUE})(?: ?, ?{VALUE})++")
TUPLE = r"\((?:[^()]++|\((?! ?select\b)[^()]*+\))*+\)"
TUPLES = re.compile(rf"(?i)\b(values ?{TUPLE})(?: ?, ?{TUPLE})++")
WRAPPED = re.compile(
    r"(?i)(?:explain(?: ?\([^()]*+\)| (?:analy[sz]e|verbose)\b)*+"
    r"|declare \S+ (?:\w+ ){0,4}?cursor (?:\w+ ){0,2}?for|prepare \S+ ?(?:\([^()]*+\))? ?as)\s"
)
WORD = re.compile(r"[\s(;]*+([A-Za-z]++)?")

SIMPLE = {  # commands that name no table and have no condition: nothing to parse
    *(
        "begin",
        "commit",
        "rollback",
        "savepoint",
        "release",
        "set",
        "reset",
        "show",
        "discard",
        "deallocate",
    ),
    *(
        "execute",
        "call",
        "do",
        "fetch",
        "move",
        "close",
        "listen",
        "unlisten",
        "notify",
        "checkpoint",
        "load",
    ),
}
COMMANDS = SIMPLE | {
    *(
        "select",
        "insert",
        "update",
        "delete",
        "merge",
        "copy",
        "ddl",
        "truncate",
        "grant",
        "explain",
        "prepare",
    ),
    *(
        "declare",
        "lock",
        "analyze",
        "vacuum",
        "cluster",
        "reindex",
        "refresh",
        "reassign",
        "import",
    ),
}
SYNONYMS = {
    **dict.fromkeys(("create", "alter", "drop", "comment", "security"), "ddl"),
    **{
        "abort": "rollback",
        "analyse": "analyze",
        "end": "commit",
        "revoke": "grant",
        "start": "begin",
    },
    **dict.fromkeys(("table", "values", "with"), "select"),
}
RELATIONS = ("TABLE", "VIEW", "INDEX", "TRIGGER")  # what else can be created names no table


class Structure(NamedTuple):
    """Counts of a statement's form; NaN where it could not be parsed."""

    tables: float
    joins: float
    predicates: float
    columns: float


class Statement(NamedTuple):
    """What is measured of a statement's text; `length` in characters."""

    command: str
    structure: Structure
    length: int
    literals: int


UNKNOWN = Structure(math.nan, math.nan, math.nan, math.nan)
NONE = Structure(0, 0, 0, 0)


def measure(text: str) -> Statement:
    """Return what a text of one or more statements tells; of several the command is that of the
    first.

    Examples
    --------
    >>> found = measure("SELECT name FROM customers WHERE id = 7 AND city = 'Rome'")
    >>> found.structure
    Structure(tables=1, joins=0, predicates=2, columns=1)
    >>> found.command, found.length, found.literals
    ('select', 57, 2)
    """
    form, literals = normalise(text)
    command, structure = _form(form) if len(form) <= LONGEST_FORM else (_command(form), UNKNOWN)
    return Statement(command, structure, len(text), literals)


def normalise(text: str) -> tuple[str, int]:
    """Return a text's form, without comments, each constant as `''` or `0`, lists cut short; and
    their number.
    """
    count = 0

    def replace(found: re.Match[str]) -> str:
        nonlocal count
        if found["comment"] is not None:
            return " "
        if found["name"] is not None:
            return found[0]
        count += found["parameter"] is None
        return (
            "''" if found["text"] is not None else "0"
        )  # sqlglot takes `$1, '', $2` for a string $…$

    form = " ".join(CONSTANT.sub(replace, text).split())
    return TUPLES.sub(r"\1", LIST.sub(r"\1", form)), count


def _command(form: str) -> str:
    found = WORD.match(form)
    word = (found[1] or "").lower() if found else ""
    word = SYNONYMS.get(word, word)
    return word if word in COMMANDS else "other" if form.strip("; ") else "empty"


@lru_cache(maxsize=FORMS)
def _form(form: str) -> tuple[str, Structure]:
    """Return command and structure of a form."""
    command = _command(form)
    if (command in SIMPLE and ";" not in form.rstrip("; ")) or command == "empty":
        return command, NONE
    try:
        with _silent():
            roots = [
                root
                for root in sqlglot.parse(WRAPPED.sub("", form, count=1), dialect="postgres")
                if root
            ]
        structures = [_structure(root) for root in roots if not isinstance(root, exp.Semicolon)]
    except Exception:  # ParseError, TokenError, RecursionError, and what else strangers' text meets
        return command, UNKNOWN
    if form[:4].lower() == "with":
        command = _main(roots[0])
    return command, Structure(*map(sum, zip(*structures, strict=True))) if structures else UNKNOWN


@contextmanager
def _silent() -> Iterator[None]:
    """Keep sqlglot from warning of each statement that it knows by name only."""
    logger = logging.getLogger("sqlglot")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _main(root: exp.Expr) -> str:
    """Return what a statement with common table expressions does in the end."""
    return root.key if root.key in ("insert", "update", "delete", "merge") else "select"


def _structure(root: exp.Expr) -> Structure:
    if isinstance(root, exp.Command):  # known by its first word only
        return UNKNOWN
    kind = root.args.get("kind")
    if isinstance(kind, str) and (
        kind not in RELATIONS or (kind == "INDEX" and not isinstance(root, exp.Create))
    ):
        return NONE
    joins = list(root.find_all(exp.Join))
    predicates = sum(_is_condition(node) for node in root.find_all(exp.Predicate))
    predicates += sum(len(join.args.get("using") or ()) for join in joins)
    return Structure(len(_tables(root)), len(joins), predicates, _columns(root))


def _tables(root: exp.Expr) -> set[str]:
    """Return the names of tables, without those that the statement itself defines, and without
    functions.
    """
    own = {part.alias.lower() for part in root.find_all(exp.CTE)}
    named = [table for table in root.find_all(exp.Table) if isinstance(table.this, exp.Identifier)]
    return {
        f"{table.db}.{table.name}".lower()
        for table in named
        if table.db or table.name.lower() not in own
    }


def _is_condition(node: exp.Expr) -> bool:
    """Whether a comparison stands in WHERE, HAVING, ON or WHEN: not in a list of columns, not in
    SET.
    """
    if isinstance(node, exp.Any | exp.All):  # `a = ANY (…)` is one comparison
        return False
    place: exp.Expr | None = node
    while place is not None:
        if isinstance(place, exp.Where | exp.Having) or place.arg_key in ("on", "condition"):
            return True
        place = place.parent
    return False


def _columns(root: exp.Expr) -> int:
    """Return how many columns a statement returns or writes; `*` counts as one."""
    returning = root.args.get("returning")
    more = len(returning.expressions) if returning is not None else 0
    if isinstance(root, exp.Merge):
        return more + sum(_written(then) for then in root.find_all(exp.Update, exp.Insert))
    return more + (
        _written(root) if isinstance(root, exp.Insert | exp.Update | exp.Copy) else _returned(root)
    )


def _written(root: exp.Expr) -> int:
    """Return the columns that are named to be written, or else those that the values or the query
    have.
    """
    if isinstance(root, exp.Update):
        return sum(_width(part.this) for part in root.expressions)
    if isinstance(root.this, exp.Schema | exp.Tuple):
        return len(root.this.expressions)
    if isinstance(root, exp.Copy):
        return _returned(root.this) if isinstance(root.this, exp.Query) else 1
    return _returned(root.expression) if root.expression is not None else 0


def _width(target: exp.Expr) -> int:
    return len(target.expressions) if isinstance(target, exp.Tuple) else 1


def _returned(root: exp.Expr) -> int:
    """Return the columns of a query or of a list of values; none for anything else."""
    if isinstance(root, exp.Create):
        return _returned(root.expression) if isinstance(root.expression, exp.Query) else 0
    if isinstance(root, exp.Values):
        return _width(root.expressions[0])
    return len(root.selects) if isinstance(root, exp.Query) else 0
