"""How tables fit a width: which columns stand together, how wide each is, and where names break.
Nothing is cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from aexbench.board.grouping import Groups
from aexbench.board.ranking import Column
from aexbench.board.tables import Cell, folded, widest

GOOD = 22  # columns that a text gets before heads get more
MOST_NAMES = 0.6  # of the width, that the names of groups take before they are folded
GAP = 1  # between columns
HEADS = (22, 16, 12)  # to which names above figures are folded, as far as they must be
MOST_TABLES = 2  # with names above figures; where more are needed, letters stand there


def spread(columns: Sequence[Column], width: int) -> list[int] | None:
    """Return the width of each column; None where they do not fit. Texts and heads are folded where
    they must be: of the room that is left, texts get up to `GOOD`, then heads, and then texts.
    """
    least = [_least(column) for column in columns]
    good = [_good(column, own) for column, own in zip(columns, least, strict=True)]
    whole = [_whole(column) for column in columns]
    left = width - sum(least) - GAP * (len(columns) - 1)
    if left < 0:
        return None
    given = least
    for wanted in (good, whole):
        for place in range(len(columns)):
            more = min(left, max(0, wanted[place] - given[place]))
            given[place] += more
            left -= more
    return given


def _whole(column: Column) -> int:
    """Return the width of a column that breaks nothing."""
    return max(widest(text) for text in (column.head, *(cell.text for cell in column.cells)))


def _least(column: Column) -> int:
    """Return the least width of a column: figures are never broken, nor are the words of heads."""
    cells = max((widest(cell.text) for cell in column.cells), default=1)
    if column.texts:
        return min(column.least, _whole(column))
    return max(cells, *(widest(word) for word in re.split("[ \n]", column.head)))


def _good(column: Column, least: int) -> int:
    return min(GOOD, _whole(column)) if column.texts else least


def fitted(columns: Sequence[Column], name: Column, width: int) -> Iterator[list[Column]]:
    """Yield tables of columns, each no wider than the width: the first holds as many as it can, by
    their places, in their own order; others have the name before them.
    """
    left, first = list(columns), True
    while left:
        taken = _taken(left if first else [name, *left], width)
        yield [one for one in (left if first else [name, *left]) if one in taken]
        left = [one for one in left if one not in taken]
        first = False


def _taken(columns: Sequence[Column], width: int) -> list[Column]:
    """Return the columns that have room, by their places up to the first that has none; at least
    one beside those that every table needs.
    """
    order = sorted(columns, key=lambda column: column.place)
    count = sum(column.place == 0 for column in order) + 1
    while count < len(order) and spread(order[: count + 1], width) is not None:
        count += 1
    return order[:count]


def by_group(groups: Groups, width: int) -> tuple[list[list[Column]], list[str]]:
    """Return tables of groups, no wider than the width, and the key of the letters that stand for
    names, if they do: `A=repair`.
    """
    for head in HEADS:
        tables = _chunks(groups, groups.explainers, width, head)
        if len(tables) <= (1 if head > HEADS[-1] else MOST_TABLES):
            return tables, []
    letters = [letter(n) for n in range(len(groups.explainers))]
    lettered = _chunks(groups, letters, width, HEADS[-1])
    if len(lettered) >= len(tables):
        return tables, []
    pairs = zip(letters, groups.explainers, strict=True)
    return lettered, [f"{one}={name}" for one, name in pairs]


def letter(number: int) -> str:
    """Return the letters that number a column, as spreadsheets do.

    >>> letter(0), letter(25), letter(26)
    ('A', 'Z', 'AA')
    """
    rest, own = divmod(number, 26)
    return (letter(rest - 1) if rest else "") + chr(ord("A") + own)


def _chunks(groups: Groups, explainers: Sequence[str], width: int, head: int) -> list[list[Column]]:
    """Return tables of as many explainers as have room beside the parts of the groups' names."""
    parts = _names(groups, width)
    tables = [[*parts]]
    for n, name in enumerate(explainers):
        column = Column(folded(name, head), [own[n] for own in groups.scores], place=1)
        if len(tables[-1]) > len(parts) and spread([*tables[-1], column], width) is None:
            tables.append([*parts])
        tables[-1].append(column)
    return tables


def _names(groups: Groups, width: int) -> list[Column]:
    """Return the columns of what groups are called, which are folded where they would take most of
    the width.
    """
    parts = [
        Column(name, [Cell(own[n]) for own in groups.names], texts=True)
        for n, name in enumerate(groups.parts)
    ]
    whole = [_whole(column) for column in parts]
    if sum(whole) > MOST_NAMES * width:
        return parts
    return [part._replace(least=own) for part, own in zip(parts, whole, strict=True)]
