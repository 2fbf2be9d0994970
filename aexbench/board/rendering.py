"""A leaderboard as text: terminal, Markdown, CSV, JSON, LaTeX. Every name is escaped for where it
is written.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from aexbench.board import cards, wording
from aexbench.board.comparing import enough_units
from aexbench.board.escaping import csv_cell, latex, markdown_block
from aexbench.board.tables import folded, markdown_list, markdown_table
from aexbench.errors import plain

if TYPE_CHECKING:
    from aexbench.board.gains import Gain
    from aexbench.board.leaderboard import Board
    from aexbench.board.sections import Row, Score, Section

NAME_WIDTH, FLOOR_WIDTH, GROUP_WIDTH, GROUP_COLUMNS = 22, 9, 13, 4  # of a terminal of 80 columns
VERSION = 2  # of the form of boards in files
COLUMNS = (  # that a board has besides its metrics
    *("#", "rank", "rank low", "rank high", "explainer", "role", "complete", "latency"),
    *("section", "target", "truth", "best floor", "floor score", "gain"),
    *("gain low", "above floor", "latency_s", "latency_spread", "samples_per_s", "prepare_s"),
    *("forward_rows", "backward_rows", "hardware", "note"),
)
MOST_GROUPS = 24  # that a terminal shows
MOST_METRICS = 2  # of its main table: others have one of their own


COST = (
    "One sample: the median ± half the interquartile range. Rows: what a sample asks of the "
    "network, by its products and convolutions, in reconstructions of one row."
)


def columns(title: str) -> tuple[str, str, str]:
    """Return the names of the columns of a metric: its mean, and both ends of its interval."""
    shown = plain(title)
    return shown, f"{shown} low", f"{shown} high"


def headers(board: Board, metrics: int | None = None) -> list[str]:
    """Return the headers of the main table, with so many metrics; all, if that is left out."""
    titles = [plain(title) for title in board.metrics.values()][:metrics]
    return ["#", "explainer", *titles, "latency", "best floor", "gain"]


def line(row: Row, section: Section, board: Board, metrics: int | None = None) -> list[str]:
    """Return a row of the main table as texts."""
    scores = _scores(row, section, board)[:metrics]
    return [
        _rank(row.rank),
        plain(row.explainer),
        *scores,
        _seconds(row.latency_s),
        plain(_floor(row)),
        _gain(row.gain),
    ]


def _scores(row: Row, section: Section, board: Board) -> list[str]:
    return [_estimate(row.scores.get(name), name == section.metric) for name in board.metrics]


def more_metrics(section: Section, board: Board) -> tuple[list[str], list[list[str]]]:
    """Return headers and rows of the metrics for which a terminal's main table is too narrow."""
    titles = [plain(title) for title in board.metrics.values()][MOST_METRICS:]
    rows = [[plain(r.explainer), *_scores(r, section, board)[MOST_METRICS:]] for r in section.rows]
    return ["explainer", *titles], rows if titles else []


def groups_table(section: Section) -> tuple[list[str], list[list[str]]]:
    """Return headers and rows of the primary metric by group; `·` marks what is not above its
    floor, `°` a group of few units.
    """
    groups = sorted(section.groups)
    lines = [
        [plain(row.explainer), *(_by_group(row.by_group.get(group)) for group in groups)]
        for row in section.rows
    ]
    few = {group: not enough_units(section.groups[group]) for group in groups}
    return ["explainer", *(plain(g) + wording.FEW * few[g] for g in groups)], lines


def detectors_table(board: Board) -> tuple[list[str], list[list[str]]]:
    """Return headers and rows of what the detectors are worth."""
    lines = [
        [
            plain(quality.source),
            str(quality.seeds),
            *(
                _figure(value)
                for value in (quality.error_ratio, quality.roc_auc, quality.average_precision)
            ),
            _figure(quality.anomalous_share),
        ]
        for quality in board.detectors
    ]
    return ["detector of", "seeds", "error / constant's", "ROC-AUC", "AP", "(chance)"], lines


def costs_table(board: Board) -> tuple[list[str], list[list[str]]]:
    """Return headers and rows of what an explanation costs; no rows where none has been counted."""
    names = ["explainer", "one sample", "samples/s", "preparing", "rows forward", "rows backward"]
    rows = {row.explainer: row for section in board.sections for row in section.rows}
    counted = any(row.forward_rows is not None for row in rows.values())
    timed = [row for row in rows.values() if row.hardware] if counted else []
    return names, [_costs(row) for row in timed]


def _costs(row: Row) -> list[str]:
    return [
        plain(row.explainer),
        _seconds(row.latency_s) + _spread(row.latency_spread),
        _count(row.samples_per_s),
        _seconds(row.prepare_s),
        _count(row.forward_rows),
        _count(row.backward_rows),
    ]


def as_rich(board: Board) -> Group:
    """Return the board for a terminal of 80 columns."""
    parts: list[RenderableType] = [Text(plain(board.title))] if board.title else []
    for section in board.sections:
        parts += [Text(), _main_table(section, board), Text()]
        parts += _more_tables(section, board)
        parts += [Text(plain(said)) for said in wording.lines(section, board)]
        parts += [Text(), *_group_tables(section, board)]
    notes = (Text(plain(note)) for note in legend(board))
    return Group(*parts, *_cost_tables(board), _detectors(board), Text(), *notes)


def _more_tables(section: Section, board: Board) -> Iterator[RenderableType]:
    """Yield tables of the metrics that the main one leaves out."""
    names, lines = more_metrics(section, board)
    for start in range(1, len(names) if lines else 1, GROUP_COLUMNS):
        shown = [0, *range(start, min(start + GROUP_COLUMNS, len(names)))]
        table = Table(box=None, padding=(0, 1, 0, 0))
        for column in shown:
            justify: Literal["left", "right"] = "right" if column else "left"
            table.add_column(escape(names[column]), justify=justify, overflow="fold")
        for texts in lines:
            table.add_row(*(escape(folded(texts[column], NAME_WIDTH)) for column in shown))
        yield table
        yield Text()


def _main_table(section: Section, board: Board) -> Table:
    """Return the table of a section's rows."""
    names, width = headers(board, MOST_METRICS), NAME_WIDTH
    title = escape(plain(wording.title(section)))
    main = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for name in names:
        side: Literal["left", "right"] = "left" if name in ("explainer", "best floor") else "right"
        most = {"explainer": width, "best floor": FLOOR_WIDTH}.get(name)
        main.add_column(escape(name), justify=side, overflow="fold", max_width=most)
    for row in section.rows:
        style = "" if row.rank is not None and not row.note else "dim"
        texts = line(row, section, board, MOST_METRICS)
        main.add_row(*(escape(folded(text, width)) for text in texts), style=style)
    return main


def as_text(board: Board, width: int = 100) -> str:
    """Return the board as plain text of at most `width` columns."""
    console = Console(width=width, highlight=False, no_color=True)
    with console.capture() as captured:
        console.print(as_rich(board))
    return captured.get()


def _detectors(board: Board) -> Table:
    """Return the table of detectors."""
    names, lines = detectors_table(board)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in names:
        first = name == names[0]
        table.add_column(
            name,
            justify="left" if first else "right",
            overflow="fold",
            max_width=30 if first else 10,
        )
    for texts in lines:
        table.add_row(*(escape(folded(text, 30)) for text in texts))
    return table


def _cost_tables(board: Board) -> Iterator[RenderableType]:
    """Yield the table of costs, if there is something in it."""
    names, lines = costs_table(board)
    if not lines:
        return
    table = Table(title="What it costs", title_justify="left", box=None, padding=(0, 1, 0, 0))
    for name in names:
        first = name == names[0]
        table.add_column(name, justify="left" if first else "right", overflow="fold")
    for texts in lines:
        table.add_row(*(escape(folded(text, NAME_WIDTH)) for text in texts))
    yield table
    yield Text()


def _group_tables(section: Section, board: Board) -> Iterator[RenderableType]:
    """Yield the table by group, at most GROUP_COLUMNS groups wide; none where there are too many to
    read.
    """
    names, lines = groups_table(section)
    if len(names) - 1 > MOST_GROUPS:
        yield Text(f"{len(names) - 1} groups: --format csv or markdown shows them all.\n")
        return
    for start in range(1, len(names), GROUP_COLUMNS):
        columns = [0, *range(start, min(start + GROUP_COLUMNS, len(names)))]
        title = f"{escape(plain(board.metrics[section.metric]))} by group"
        table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
        table.add_column("explainer", min_width=NAME_WIDTH, overflow="fold")
        for column in columns[1:]:
            title = escape(folded(names[column].replace(" / ", "\n"), GROUP_WIDTH))
            table.add_column(title, justify="right", overflow="fold", max_width=GROUP_WIDTH)
        for texts in lines:
            table.add_row(*(escape(folded(texts[column], NAME_WIDTH)) for column in columns))
        yield table
        yield Text()


def as_markdown(board: Board) -> str:
    """Return the board as Markdown tables."""
    parts = [part for section in board.sections for part in _markdown_section(section, board)]
    parts += cards.markdown_parts([card for card in board.cards if card.metric == board.primary])
    costs = costs_table(board)
    cost = ["What it costs:", markdown_table(*costs)] if costs[1] else []
    detectors = markdown_table(*detectors_table(board))
    notes = markdown_list(legend(board))
    parts += [*cost, "The detectors:", detectors, notes]
    return "\n\n".join([*parts, f"<!-- aexbench board, version {VERSION} -->"]) + "\n"


def _markdown_section(section: Section, board: Board) -> list[str]:
    """Return a section's headline, table, words and table by group."""
    head = f"**{markdown_block(wording.title(section))}**"
    main = markdown_table(headers(board), [line(row, section, board) for row in section.rows])
    said = markdown_list(wording.lines(section, board))
    by_group = f"{markdown_block(board.metrics[section.metric])} by group:"
    return [head, main, said, by_group, markdown_table(*groups_table(section))]


def as_csv(board: Board) -> str:
    """Return the rows as CSV, with every figure in full."""
    records = [_flat(row, s, board) for s in board.sections for row in s.rows]
    out = io.StringIO()
    names = list(dict.fromkeys(key for record in records for key in record))
    writer = csv.writer(out)
    writer.writerow([csv_cell(name) for name in names])
    writer.writerows([csv_cell(record.get(name, "")) for name in names] for record in records)
    return out.getvalue()


def as_json(board: Board) -> str:
    """Return the whole board as JSON."""
    sections = [
        {name: value for name, value in dataclasses.asdict(section).items() if name != "places"}
        | {"kind": section.kind._asdict(), "title": wording.title(section)}
        | {"said": list(wording.lines(section, board))}
        | {"rows": [dataclasses.asdict(row) | {"note": row.note} for row in section.rows]}
        for section in board.sections
    ]
    values = {"schema_version": VERSION} | dataclasses.asdict(board) | {"sections": sections}
    return json.dumps(values, indent=1) + "\n"


def as_latex(board: Board) -> str:
    """Return the main tables and that of the detectors as LaTeX (booktabs)."""
    columns = f"rl{'r' * len(board.metrics)}rlr"
    parts: list[str] = []
    for section in board.sections:
        rows = [line(row, section, board) for row in section.rows]
        parts += [f"% {plain(wording.title(section))}"]
        parts += _latex_table(columns, headers(board), rows)
        parts += [*(f"% {plain(said)}" for said in wording.lines(section, board)), ""]
    detectors = _latex_table("lrrrrr", *detectors_table(board))
    return "\n".join([*parts, *detectors, *(f"% {plain(note)}" for note in legend(board)), ""])


def _latex_table(columns: str, names: list[str], lines: list[list[str]]) -> list[str]:
    body = [" & ".join(latex(text) for text in texts) + r" \\" for texts in (names, *lines)]
    start = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", body[0], r"\midrule"]
    return [*start, *body[1:], r"\bottomrule", r"\end{tabular}"]


FORMATS: dict[str, Callable[[Board], str]] = {
    "markdown": as_markdown,
    "csv": as_csv,
    "json": as_json,
    "latex": as_latex,
}


def legend(board: Board) -> list[str]:
    """Return what explains the signs of a board, and its notes."""
    return [
        "#: the places that a row may have, by Tukey's studentised range. ±: 95 % of the mean "
        "alone.",
        "Detectors: validation error in units of the best constant sample's; how well the error "
        "finds labelled anomalies. An explanation of a detector that detects nothing means "
        "nothing.",
        "Floors know nothing of what the detector learned. gain: score minus the best floor "
        "[least lower bound against any floor, by Holm over the rows]; · marks what is not above "
        "its floor.",
        *([COST] if costs_table(board)[1] else []),
        *board.notes,
    ]


def _rank(rank: tuple[int, int] | None) -> str:
    """Return the places that a row may have.

    >>> _rank((2, 4)), _rank((1, 1)), _rank(None)
    ('2–4', '1', '–')
    """
    if rank is None:
        return "–"
    first, last = rank
    return str(first) if first == last else f"{first}–{last}"


def _estimate(score: Score | None, interval: bool) -> str:
    if score is None:
        return "–"
    if not interval or score.low is None:
        return f"{score.mean:.2f}"
    return f"{score.mean:.2f} ±{score.mean - score.low:.2f}"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _floor(row: Row) -> str:
    if row.role != "explainer":
        return f"({row.note})"
    if row.gain is None or row.floor_score is None:
        return ""
    return f"{row.floor_score:.2f} {row.gain.floor}"


def _gain(gain: Gain | None) -> str:
    if gain is None:
        return ""
    if gain.low is None:
        return f"{gain.gain:+.2f}"
    return f"{'' if gain.above else '·'}{gain.gain:+.2f} [{gain.low:+.2f}]"


def _by_group(cell: tuple[float, Gain | None] | None) -> str:
    if cell is None:
        return "–"
    mean, gain = cell
    known = gain is not None and gain.low is not None
    return f"{'·' if known and not gain.above else ''}{mean:.2f}"  # type: ignore[union-attr]


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1e3:.2f} ms"


def _count(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def _spread(share: float | None) -> str:
    return "" if share is None else f" ±{share:.0%}"


def _flat(row: Row, section: Section, board: Board) -> dict[str, object]:
    first, last = row.rank or ("", "")
    flat: dict[str, object] = {
        "section": wording.title(section),
        "target": section.target,
        "truth": section.kind.truth,
        "rank low": first,
        "rank high": last,
        "explainer": row.explainer,
        "role": row.role,
        "complete": row.complete,
    }
    for metric, score in row.scores.items():
        names = columns(board.metrics[metric])
        flat |= dict(zip(names, (score.mean, score.low, score.high), strict=True))
    if row.gain is not None:
        flat |= {"best floor": row.gain.floor, "floor score": row.floor_score}
        flat |= {"gain": row.gain.gain, "gain low": row.gain.low, "above floor": row.gain.above}
    flat |= {f"{group}": value for group, (value, _) in row.by_group.items()}
    times = {
        "latency_s": row.latency_s,
        "latency_spread": row.latency_spread,
        "samples_per_s": row.samples_per_s,
        "prepare_s": row.prepare_s,
        "forward_rows": row.forward_rows,
        "backward_rows": row.backward_rows,
    }
    return flat | times | {"hardware": row.hardware, "note": row.note}
