"""A board as CSV: a row for each explainer, or for each explainer in each group, with every figure
in full.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from aexbench.board import alike, wording
from aexbench.board.escaping import csv_cell
from aexbench.board.grouping import best, in_order
from aexbench.errors import plain

if TYPE_CHECKING:
    from aexbench.board.leaderboard import Board
    from aexbench.board.sections import Row, Section

COLUMNS = (  # that a board has besides its metrics
    *("#", "rank", "rank low", "rank high", "explainer", "role", "complete", "latency"),
    *("section", "target", "truth", "best floor", "floor score", "gain"),
    *("gain low", "above floor", "latency_s", "latency_spread", "samples_per_s", "prepare_s"),
    *("forward_rows", "backward_rows", "hardware", "note", "title"),
    *alike.COLUMNS,
)


def columns(title: str) -> tuple[str, str, str]:
    """Return the names of the columns of a metric: its mean, and both ends of its interval."""
    shown = plain(title)
    return shown, f"{shown} low", f"{shown} high"


def as_csv(board: Board) -> str:
    """Return a row for each explainer."""
    return written([_flat(row, s, board) for s in board.sections for row in s.rows])


def as_groups(board: Board) -> str:
    """Return a row for each explainer in each group, by the metric that ranks."""
    return written([one for section in board.sections for one in _in_groups(section, board)])


def written(records: Sequence[Mapping[str, object]]) -> str:
    """Return records as CSV."""
    out = io.StringIO()
    names = list(dict.fromkeys(key for record in records for key in record))
    writer = csv.writer(out)
    writer.writerow([csv_cell(name) for name in names])
    writer.writerows([csv_cell(record.get(name, "")) for name in names] for record in records)
    return out.getvalue()


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
    flat |= alike.flat(row)
    return flat | _times(row) | {"hardware": row.hardware, "note": row.note, "title": row.title}


def _times(row: Row) -> dict[str, object]:
    return {
        "latency_s": row.latency_s,
        "latency_spread": row.latency_spread,
        "samples_per_s": row.samples_per_s,
        "prepare_s": row.prepare_s,
        "forward_rows": row.forward_rows,
        "backward_rows": row.backward_rows,
    }


def _in_groups(section: Section, board: Board) -> Iterator[dict[str, object]]:
    """Yield the rows of a section's groups."""
    for group in in_order(section):
        top = best(group, section)
        for row in section.rows:
            if group in row.by_group:
                yield _of_group(group, section, board) | _in_group(row, group, top)


def _of_group(group: str, section: Section, board: Board) -> dict[str, object]:
    return {
        "section": wording.title(section),
        "target": section.target,
        "truth": section.kind.truth,
        "metric": board.metrics[section.metric],
        "group": group,
        **section.place(group)._asdict(),
        "units": section.groups[group],
    }


def _in_group(row: Row, group: str, top: Sequence[str]) -> dict[str, object]:
    score, gain = row.by_group[group]
    own: dict[str, object] = {
        "explainer": row.explainer,
        "title": row.title,
        "role": row.role,
        "score": score,
        "best": row.explainer in top,
    }
    if gain is not None:
        own |= {"best floor": gain.floor, "gain": gain.gain}
        own |= {"gain low": gain.low, "above floor": gain.above}
    return own
