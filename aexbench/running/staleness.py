"""What the scores of a cell lack: the one answer for runs, boards, packed stores and `status`.

Scores belong to the attributions that they derive from, to the metrics as they are today, and to
the record that bears their checksum. Where one of these is another now, they are derived again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING

from aexbench import families
from aexbench.components import Component, component
from aexbench.errors import RequestError
from aexbench.files import DamagedFileError
from aexbench.running import probing
from aexbench.running.store import Record, Scores, StaleError, Store

if TYPE_CHECKING:
    from aexbench.running.packed import AnyStore


def todays(names: Iterable[str]) -> dict[str, Component]:
    """Return metrics by their names with brackets, of those that are known here."""
    found = {}
    for name in names:
        with suppress(RequestError):  # a plugin's, whose file is not named
            found[name] = component(families.metrics, name)
    return found


def of_records(records: Iterable[Record]) -> dict[str, Component]:
    """Return the metrics that have scored some of the records, of those that are known here."""
    return todays(dict.fromkeys(name for record in records for name in record.scores))


def current(store: AnyStore, record: Record, metrics: Mapping[str, Component]) -> Scores:
    """Return a cell's scores, if they are what would be derived today.

    Parameters
    ----------
    store
        Where they are; what is packed stays as it was published.
    record
        The cell's.
    metrics
        As they are today, by their names with brackets.

    Raises
    ------
    DamagedFileError
        If they are lost, not those of the record or of its attributions, or by another version of
        a metric.
    """
    scores = store.read_scores(record)
    for name in _outdated(scores.versions, metrics):
        raise StaleError(
            f"scores by another version of {name}: aexbench score {store.root} derives them again"
        )
    return scores


def kept(store: AnyStore, record: Record, metrics: Mapping[str, Component]) -> Scores | None:
    """Return those of a cell's scores that are what would be derived today, or None where the
    cell has no scores that are its own.
    """
    try:
        scores = store.read_scores(record)
    except DamagedFileError:
        return None
    outdated = _outdated(scores.versions, metrics)
    return scores.only([name for name in scores.metrics if name not in outdated])


def lacking(
    store: Store,
    records: Iterable[Record],
    asked: Mapping[str, Component] = MappingProxyType({}),
) -> list[Record]:
    """Return the records of finished cells whose scores lack something, also where that is a metric
    that is asked for.
    """
    ok = [record for record in records if record.state == "ok"]
    today = of_records(ok) | dict(asked)
    return [record for record in ok if _lacks(store, record, today, asked)]


def _lacks(
    store: Store,
    record: Record,
    today: Mapping[str, Component],
    asked: Mapping[str, Component],
) -> bool:
    try:
        versions = store.score_versions(record)
    except DamagedFileError:
        return True
    own = (name for name, one in asked.items() if probing.fits(one, record.cell))
    return bool(_outdated(versions, today)) or any(name not in versions for name in own)


def _outdated(versions: Mapping[str, str], metrics: Mapping[str, Component]) -> list[str]:
    """Return the names of the metrics that are of another version today."""
    today = {name: metrics[name].version for name in versions if name in metrics}
    return [name for name, version in today.items() if version != versions[name]]
