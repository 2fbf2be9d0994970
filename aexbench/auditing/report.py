"""An audit: the answer with all that it rests on, as text, as JSON, as a page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from aexbench import files
from aexbench.auditing import words
from aexbench.auditing.answer import Answer, decide
from aexbench.auditing.evidence import PLAIN, Evidence, Kind, Tried
from aexbench.auditing.features import Hidden
from aexbench.board.tables import folded
from aexbench.errors import plain
from aexbench.explaining.choice import DEFAULT

VERSION = 1  # of the form of audits in files
NAME_WIDTH, KIND_WIDTH, LAST_WIDTH = 23, 7, 9  # of columns


@dataclass(frozen=True)
class Audit:
    """What an audit of a detector has found.

    Attributes
    ----------
    evidence
        What was measured.
    hidden
        The features that no explainer finds.
    detector, data
        The digests of what was audited.
    notes
        What is to be known beside.

    Examples
    --------
    `print(audit)` shows all of it, `audit.explainer` names whose explanations to take:

    >>> from aexbench.auditing.worth import Worth
    >>> audit = Audit(Evidence(Worth("its output does not vary", "train it")))
    >>> audit.explainer is None, audit.reason
    (True, 'No answer: its output does not vary.')
    """

    evidence: Evidence
    hidden: Sequence[Hidden] = ()
    detector: str = ""
    data: str = ""
    notes: Sequence[str] = ()

    @cached_property
    def answer(self) -> Answer:
        """What the table of `aexbench.auditing.answer` decides."""
        return decide(self.evidence)

    @property
    def explainer(self) -> str | None:
        """Whose explanations to take, a name with brackets; None where there is no answer."""
        return self.answer.explainer

    @property
    def reason(self) -> str:
        """The answer in one sentence."""
        return words.headline(self.answer, self.evidence)

    @property
    def said(self) -> list[str]:
        """How sure it is, and what an explanation costs."""
        return [*words.how_sure(self.answer, self.evidence), *self._cost()]

    def _cost(self) -> Iterator[str]:
        cost = self.evidence.costs.get(self.explainer or "")
        if cost is not None:
            yield f"An explanation by {self.explainer} takes {seconds(cost)}."

    def sections(self) -> Iterator[tuple[str, list[str]]]:
        """Yield the headlines and lines of what stands beside the answer."""
        yield "The detector", list(words.of_detector(self.evidence))
        yield (
            "Kinds of anomalies",
            [f"{n:>2} {words.of_kind(one)}" for n, one in self.kinds.items()],
        )
        yield "Features that no explainer finds", list(words.of_features(self.hidden))
        left_out = self.evidence.left_out.items()
        yield "Not tried, or not on everything", [f"{name}: {why}" for name, why in left_out]
        yield "Notes", list(self.notes)

    @property
    def legend(self) -> str:
        """What the table shows."""
        alike = " (alike: the mean over these kinds)" if len(self.evidence.matched) > 1 else ""
        few = " ° is on the first few anomalies alone." if "°" in str(self.table()) else ""
        return (
            f"{self.evidence.metric}, in the order of the lead over {DEFAULT} where anomalies are "
            f"like the alarms{alike}; kinds are numbered below. · is not surely above every floor."
            f"{few}"
        )

    @property
    def kinds(self) -> dict[str, Kind]:
        """The kinds of anomalies by their numbers; `L` are the labels."""
        numbered = {str(number): kind for number, kind in enumerate(self.evidence.kinds, 1)}
        return numbered | ({"L": self.evidence.labels} if self.evidence.labels else {})

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Return the headers and lines of what explainers score, kind by kind.

        `alike` is all that is like the alarms, numbered kinds stand in their order, `L` is the
        labels. · marks what is not surely above
        every floor, ° what was tried on the first few anomalies alone.
        """
        alike, several = self.evidence.alike, len(self.evidence.matched) > 1
        kinds = {"alike": alike} if alike is not None and several else {}
        kinds = {n: kind for n, kind in (kinds | self.kinds).items() if kind.tried}
        names = {name: None for kind in kinds.values() for name in kind.tried}
        lines = [
            [name, *(_cell(kind.tried.get(name)) for kind in kinds.values()), self._latency(name)]
            for name in sorted(names, key=self._place)
        ]
        return ["explainer", *kinds, "cost"], lines if kinds else []

    def _place(self, name: str) -> tuple[bool, float]:
        """Return what orders explainers: their lead where anomalies are like the alarms."""
        kind = self.evidence.leading
        known = kind is not None and name in kind.tried
        return name == PLAIN, -kind.tried[name].lead if kind is not None and known else 0.0

    def _latency(self, name: str) -> str:
        cost = self.evidence.costs.get(name)
        return "" if cost is None else seconds(cost)

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int = 80) -> str:
        """Return it as plain text of at most so many columns."""
        console = Console(width=width, highlight=False, no_color=True)
        with console.capture() as captured:
            console.print(self.rich(width))
        return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"

    def rich(self, width: int = 80) -> Group:
        """Return it for a terminal of so many columns."""
        parts: list[Any] = [Text(plain(self.reason), style="bold"), Text()]
        parts += [Text(plain(line)) for line in self.said]
        names, lines = self.table()
        if lines:
            parts += [Text(), Text(plain(self.legend))]
            parts += [_table(names, lines, columns) for columns in _chunks(len(names), width)]
        for title, said in self.sections():
            if said:
                parts += [Text(), Text(title, style="bold")]
                parts += [_item(line) for line in said]
        return Group(*parts)

    def json(self) -> str:
        """Return it as JSON."""
        values = {
            "version": VERSION,
            "explainer": self.explainer,
            "reason": self.reason,
            "said": self.said,
            "detector": self.detector,
            "data": self.data,
            "answer": asdict(self.answer),
            "evidence": asdict(self.evidence),
            "hidden": [asdict(one) for one in self.hidden],
            "notes": list(self.notes),
        }
        return json.dumps(_finite(values), indent=1, ensure_ascii=False) + "\n"

    def save(self, path: str | Path) -> Path:
        """Write it to a file, by its ending: `.json`, `.html`, or else as text."""
        target = Path(path)
        if target.suffix == ".html":
            from aexbench.auditing.page import page

            content = page(self)
        else:
            content = self.json() if target.suffix == ".json" else self.text(100)
        files.make_folder(target.parent)
        files.write_bytes(target, content.encode())
        return target

    def _repr_html_(self) -> str:
        from aexbench.auditing.page import body

        return body(self)


def _cell(tried: Tried | None) -> str:
    """Return a mean with its marks."""
    if tried is None:
        return ""
    marks = ("" if tried.above in (True, None) else "·") + ("°" if tried.few else "")
    return f"{marks}{tried.score.mean:.2f}"


def _item(line: str) -> Padding:
    """Return a line whose continuation stands below its beginning."""
    return Padding(Text(plain(line)), (0, 0, 0, 1))


def _chunks(count: int, width: int) -> Iterator[list[int]]:
    """Yield which columns stand in each table: the name's, as many as fit, and the last."""
    fit = max(1, (width - NAME_WIDTH - LAST_WIDTH) // KIND_WIDTH)
    for start in range(1, count - 1, fit):
        yield [0, *range(start, min(start + fit, count - 1)), count - 1]


def _table(names: list[str], lines: list[list[str]], columns: list[int]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    for column in columns:
        first = column == 0
        table.add_column(names[column], justify="left" if first else "right", overflow="fold")
    for line in lines:
        texts = (folded(plain(line[column]), NAME_WIDTH) for column in columns)
        table.add_row(*map(escape, texts))
    return table


def seconds(value: float) -> str:
    """Return seconds as people read them.

    >>> seconds(0.00042), seconds(0.25), seconds(12.0)
    ('0.42 ms', '250 ms', '12 s')
    """
    if value >= 1:
        return f"{value:.3g} s"
    return f"{value * 1e3:.2f} ms" if value < 0.01 else f"{value * 1e3:.0f} ms"


def _finite(value: Any) -> Any:
    """Return values as JSON has them: nothing in place of what is not finite."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
