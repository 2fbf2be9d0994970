"""Reading the stores that are merged: what of each can be trusted, and a line for what cannot.

Records of others are data: they are validated, and nothing in them is executed. The means in a
record are derived anew from the values of its samples.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aexbench.components import Component
from aexbench.digests import canonical, file_digest
from aexbench.errors import RequestError, short
from aexbench.files import DamagedFileError
from aexbench.running import staleness
from aexbench.running.packed import AnyStore, Packed, open_store
from aexbench.running.scoring import summarize
from aexbench.running.store import MOST_LABEL, Record, Scores, Store, is_that
from aexbench.running.strata import STRATA
from aexbench.texts import counted

MOST_RECORD = 2**17  # characters: ours have some thousands
MOST_SHOWN = 300  # of a cell, in a line
MOST_SUITE = 100_000  # characters of what a plan says of its suite
SUITE_NAME = r"[A-Za-z0-9][\w.-]{0,99}"  # it names a file

Set = dict[str, NDArray[Any]]  # unit, label, alarms and strata of each sample of an anomaly set


class Home(NamedTuple):
    """Where the files of a cell lie: a store, and the cell's record there."""

    store: AnyStore
    record: Record


@dataclass(frozen=True)
class Result:
    """What came of a cell: its record as it is merged, its scores where it has some, where its
    files lie, and where those of its times.
    """

    record: Record
    scores: Scores | None
    home: Home
    timed: Home

    @property
    def root(self) -> Path:
        """The store that it is from."""
        return self.home.store.root

    @property
    def weights(self) -> str | None:
        """The checksum of the weights that it explains, where that is known."""
        found = self.record.anomalies.get("detector")
        return found if isinstance(found, str) else None

    @property
    def anomalies(self) -> str | None:
        """The checksum of the anomaly set that it explains, if it has explained one."""
        info = self.record.files.get("anomalies")
        return None if info is None else info.sha256


@dataclass
class Source:
    """One of the stores that are merged.

    Attributes
    ----------
    store
        Where it is.
    results
        What its plans ask for and what can be read; everything where there is no plan.
    refused
        A line for each result that cannot be read or trusted.
    plans
        Its suites' values, with the keys of their cells.
    metrics
        Its metrics as they are today, of those that are known here.
    """

    store: AnyStore
    results: list[Result] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    plans: list[tuple[dict[str, Any], list[str]]] = field(default_factory=list)
    metrics: Mapping[str, Component] = field(default_factory=dict)
    _strata: dict[tuple[str, str | None], Set] = field(default_factory=dict)
    _sound: set[tuple[str, str]] = field(default_factory=set)

    @property
    def root(self) -> Path:
        """Its folder."""
        return self.store.root

    def strata(self, result: Result) -> Set:
        """Return what boards can split the samples by that a result explains."""
        place = result.home.record.cell.anomaly_key, result.anomalies
        if place not in self._strata:
            self._strata[place] = dict(_strata(result.home))
        return self._strata[place]

    def check_files(self, record: Record) -> None:
        """Raise RequestError where the files of a record are not those that it bears; a packed
        store has none.
        """
        if isinstance(self.store, Packed):
            return
        self.store.read_attributions(record)
        _check_timings(self.store, record)
        place = record.cell.anomaly_key, record.files["anomalies"].sha256
        if place not in self._sound:
            _check_explained(self.store, record)
            self._sound.add(place)


def read(root: Path) -> Source:
    """Return what of a store is merged; RequestError where it is none."""
    store = open_store(root)
    records, complaints = store.records()
    source = Source(store, refused=list(complaints), plans=_plans(store))
    source.metrics = staleness.of_records(records)
    asked = {key for _, cells in source.plans for key in cells}
    wanted = [record for record in records if not asked or record.cell.key in asked]
    source.refused += _take(source, wanted)
    if not source.results and not source.refused:
        raise RequestError(f"{root} has no records to merge")
    return source


def _take(source: Source, records: Sequence[Record]) -> list[str]:
    """Add records to the results; return a line for each reason why some cannot be."""
    why: dict[str, list[Record]] = {}
    for record in records:
        try:
            source.results.append(_result(source, record))
        except RequestError as error:
            why.setdefault(str(error), []).append(record)
    return [_line(reason, refused) for reason, refused in why.items()]


def _line(reason: str, refused: Sequence[Record]) -> str:
    more = "" if len(refused) == 1 else f" and {counted(len(refused) - 1, 'other cell')}"
    return f"{str(refused[0].cell)[:MOST_SHOWN]}{more}: {reason}"


def _result(source: Source, record: Record) -> Result:
    """Return what came of a cell; RequestError where it cannot be trusted."""
    _check_size(source.root, record)
    home = Home(source.store, record)
    if record.state != "ok":
        return Result(record.model_copy(update={"files": {}, "scores": {}}), None, home, home)
    if not {"anomalies", "attributions"} <= record.files.keys():
        raise DamagedFileError(f"{source.root} does not say which anomalies it explains")
    scores = staleness.current(source.store, record, source.metrics)
    means = summarize(scores.values, scores.label, scores.unit, scores.alarmed)
    source.check_files(record)
    return Result(record.model_copy(update={"scores": means}), scores, home, home)


def _check_size(root: Path, record: Record) -> None:
    """Raise DamagedFileError for a record that is larger than any of ours."""
    if any(len(part.text) > MOST_LABEL for part in record.cell.parts.values()):
        raise DamagedFileError(f"a name in it in {root} has more than {MOST_LABEL} characters")
    if len(record.model_dump_json()) > MOST_RECORD:
        raise DamagedFileError(f"its record in {root} has more than {MOST_RECORD} characters")


def _check_timings(store: Store, record: Record) -> None:
    timings = record.files.get("timings")
    if timings is not None and not is_that(store.path("timings", record.cell.key), timings):
        raise DamagedFileError(f"its timings in {store.root} are not those of its record")


def _check_explained(store: Store, record: Record) -> None:
    """Raise DamagedFileError where anomalies or weights are not what a record explains."""
    store.anomalies_of(record)
    weights = store.path("detectors", record.cell.detector_key)
    if weights.exists() and file_digest(weights) != record.anomalies.get("detector"):
        raise DamagedFileError(f"{weights} is not what its anomalies were made with")


def _strata(home: Home) -> Iterator[tuple[str, NDArray[np.str_]]]:
    """Yield what boards can be split by, as far as it is known of a cell's anomalies."""
    for name in STRATA:
        with suppress(RequestError):  # images have no features by name, labels no gain
            yield name, home.store.strata(home.record, name)


def _plans(store: AnyStore) -> list[tuple[dict[str, Any], list[str]]]:
    """Return a store's plans; RequestError where a suite is none."""
    found = [(suite, list(cells)) for suite, cells in store.plans()]
    for suite, _ in found:
        if not re.fullmatch(SUITE_NAME, suite["name"]):
            raise RequestError(f"{store.root}: {short(suite['name'])} is no name of a suite")
        if _length(suite) > MOST_SUITE:
            raise RequestError(f"{store.root}: what it says of suite {suite['name']} is none")
    return found


def _length(suite: Mapping[str, Any]) -> float:
    """Return how long a suite is, endless where it holds what is no number."""
    try:
        return len(canonical(suite))
    except ValueError:
        return math.inf


def texts(sources: Sequence[Source]) -> list[str]:
    """Return a line for each component that several stores call the same, and that is not."""
    found: dict[tuple[str, str], dict[str, Path]] = {}
    for source in sources:
        for result in source.results:
            for part, one in result.record.cell.parts.items():
                found.setdefault((part, one.text), {}).setdefault(one.key, source.root)
    return [
        f"{part} {text} is not the same in {' and '.join(map(str, own.values()))} (another "
        "version, or other parameters or files): the board shows them apart"
        for (part, text), own in found.items()
        if len(own) > 1
    ]
