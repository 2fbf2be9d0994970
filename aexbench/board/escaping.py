"""Strangers' texts in files of several kinds: shown as they are, and nothing in them does anything.

Each function takes one text without its surroundings; control characters have no place in any.
"""

from __future__ import annotations

import re
import unicodedata

from aexbench.errors import plain

NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")
FORMULA = "=+-@\N{MINUS SIGN}"  # in any width
DISGUISE = " \t'\"`\N{NO-BREAK SPACE}"
BLOCK = re.compile(r"\s*(?:[-+=~]|[0-9]+[.)])")  # begins a list, a rule or a fence in Markdown
LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
LATEX |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}"}
LATEX |= {"`": r"\textasciigrave{}", "±": r"$\pm$", "·": r"$\cdot$", "–": "--"}
LATEX |= {"†": r"$\dagger$", "°": r"$^\circ$", "τ": r"$\tau$", "×": r"$\times$", "…": r"\ldots{}"}
LATEX |= {"⌊": r"$\lfloor$", "⌋": r"$\rfloor$", "≥": r"$\geq$", "≤": r"$\leq$"}
LATEX |= {character: f"\\{character}" for character in "&%$#_{}"}


def csv_cell(value: object) -> object:
    """Return a cell that no spreadsheet takes for a formula, whatever it stands behind, and
    wherever the spreadsheet cuts; numbers stay numbers.

    >>> csv_cell("=1+1"), csv_cell(' "@sum'), csv_cell("a;-b"), csv_cell("-0.5"), csv_cell(-0.5)
    ("'=1+1", '\\' "@sum', "a;'-b", '-0.5', -0.5)
    """
    if not isinstance(value, str) or NUMBER.fullmatch(value):
        return value
    disguised = value[:1] in ("\t", "\r", "\n")
    parts = [f"'{part}" if _is_formula(part) else part for part in plain(value).split(";")]
    text = ";".join(parts)
    return f"'{text}" if disguised and not text.startswith("'") else text


def _is_formula(text: str) -> bool:
    first = text.lstrip(DISGUISE)[:1]
    return bool(first) and unicodedata.normalize("NFKC", first)[:1] in tuple(FORMULA)


def markdown(text: str) -> str:
    """Return a text as Markdown shows it: no markup, link, image, HTML or cell of a table.

    >>> print(markdown("<b>![a](https://b) | c_d`"))
    \\<b\\>\\!\\[a\\](https:\\//b) \\| c\\_d\\`
    """
    shown = "".join(f"\\{c}" if c in "\\`*_{}[]<>#|!~&$" else c for c in plain(text))
    shown = shown.replace("://", ":\\//")  # a link without brackets
    return re.sub(r"(?i)\b(www)\.", r"\1\\.", shown)


def markdown_block(text: str) -> str:
    """Return a text as Markdown shows it at the beginning of a paragraph or of an item."""
    shown = markdown(text)
    if found := BLOCK.match(shown):
        place = found.end() - 1
        return f"{shown[:place].lstrip()}\\{shown[place:]}"
    return shown.lstrip()


def latex(text: str) -> str:
    """Return a text as LaTeX shows it, also as the first of a row, where `\\\\` takes arguments.

    >>> print(latex("100 % of a_b"), latex("[x]"))
    100 \\% of a\\_b {}[x]
    """
    shown = "".join(LATEX.get(character, character) for character in plain(text))
    return f"{{}}{shown}" if shown[:1] in ("[", "*") else shown
