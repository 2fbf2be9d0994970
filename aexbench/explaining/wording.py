"""Numbers, shares and names as a person reads them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from aexbench.errors import plain
from aexbench.explaining.parts import Column, Steps, Window

DIGITS = 3  # significant ones, of the range that normal values span
MOST_DECIMALS = 12
ROUNDING = 1e-5  # of a value: what float32 and a network lose
TINY, HUGE = 1e-4, 1e10  # beyond them numbers have an exponent


def decimals(column: Column) -> int:
    """Return how many decimals tell a column's values apart: three digits of what normal samples
    span there, or of the distance to what was expected where they span nothing.
    """
    span = _span(column)
    if span == 0 or not math.isfinite(span):
        return 0
    return min(max(0, DIGITS - 1 - math.floor(math.log10(span))), MOST_DECIMALS)


def _span(column: Column) -> float:
    """Return by how much values of a column differ; a tenth of themselves where it is rounding."""
    usual = column.usual
    if usual is not None and usual.high > usual.low:
        return usual.high - usual.low
    away = abs(column.value - column.expected)
    size = max(abs(column.value), abs(column.expected))
    return away if away > ROUNDING * size else size / 10


def number(value: float, places: int) -> str:
    """Return a number with at most so many decimals.

    >>> number(14.2, 2), number(3.0, 2), number(-0.001, 2), number(2.5e-7, 9), number(1.5e12, 0)
    ('14.2', '3', '0', '2.5e-07', '1.5e+12')
    """
    size = abs(value)
    if size >= HUGE or 0 < size < TINY <= size * 10**places:
        return f"{value:.4g}"
    text = f"{value:.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def percent(share: float) -> str:
    """Return a share in words; what rounds to 0 or to all without being it is said so.

    >>> percent(0.614), percent(0.002), percent(-0.25), percent(0.999), percent(1.0), percent(0.0)
    ('61 %', '<1 %', '-25 %', '>99 %', '100 %', '0 %')
    """
    size, sign = abs(share), "-" if share < 0 else ""
    rounded = f"{100 * size:.0f}"
    if rounded == "0" and size > 0:
        return f"{sign}<1 %"
    if rounded == "100" and size < 1:
        return f"{sign}>99 %"
    return f"{sign}{rounded} %"


def apart(one: float, other: float) -> tuple[str, str]:
    """Return two numbers with the two to six decimals that tell them apart, and from 0.

    >>> apart(0.83, 0.21), apart(0.2142, 0.2101), apart(0.9, 0.0004)
    (('0.83', '0.21'), ('0.214', '0.210'), ('0.9000', '0.0004'))
    """
    for places in range(2, 7):
        texts = f"{one:.{places}f}", f"{other:.{places}f}"
        lost = [text for value, text in zip((one, other), texts, strict=True) if _lost(value, text)]
        if not lost and (texts[0] != texts[1] or one == other):
            break
    return texts


def _lost(value: float, text: str) -> bool:
    return value != 0 and float(text) == 0


def quoted(name: str) -> str:
    """Return a name as a sentence shows it.

    >>> quoted("flow")
    '`flow`'
    """
    return f"`{plain(name)}`"


def listed(names: Sequence[str]) -> str:
    """Return names in a sentence, three at most.

    >>> listed(["a"]), listed("ab"), listed("abcde")
    ('`a`', '`a` and `b`', '`a`, `b`, `c` and 2 more')
    """
    shown = [quoted(name) for name in names[:3]]
    if len(names) > 3:
        return f"{', '.join(shown)} and {len(names) - 3} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def in_steps(steps: Steps) -> str:
    """Return steps in words.

    >>> in_steps((12, 19)), in_steps((3, 3))
    ('steps 12–19', 'step 3')
    """
    return f"step{'' if steps[0] == steps[1] else 's'} {in_short(steps)}"


def in_short(steps: Steps) -> str:
    """Return steps in figures.

    >>> in_short((12, 19)), in_short((3, 3))
    ('12–19', '3')
    """
    first, last = steps
    return f"{first}" if first == last else f"{first}–{last}"


def long(steps: Steps, window: Window) -> bool:
    """Whether half of the relevance takes half of the steps, and more than one: it lies nowhere in
    particular.
    """
    return steps[1] > steps[0] and 2 * (steps[1] - steps[0] + 1) >= window.length


def cut(text: str, width: int) -> str:
    """Return a text in so many columns, its end cut off where it is longer.

    >>> cut("temperature", 6)
    'tempe…'
    """
    text = plain(text)
    return text if len(text) <= width else f"{text[: width - 1]}…"


def wrapped(text: str, width: int) -> str:
    """Return a paragraph in lines of so many columns; a figure stays with its sign.

    >>> print(wrapped("about 61 % of it", 9))
    about
    61 % of
    it
    """
    whole = text.replace(" %", "\N{NO-BREAK SPACE}%")
    lines = textwrap.wrap(whole, width, break_long_words=True, break_on_hyphens=False)
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}%", " %")
