"""A packed store: a finished store as a few files, to publish and to keep in a repository.

    records.jsonl   the records, one a line, sorted; what they share stands once, before them
    scores.npz      one value per sample and metric, each sample's unit and label, and its strata
    plan.json       the suites, and the cells that they have asked for

It is read like a store in a folder, and lacks what is large: attributions, anomalies, detectors and
single timings. What needs these says so.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aexbench import files
from aexbench.contracts import ALARMED, AnomalySet
from aexbench.digests import value_digest
from aexbench.errors import RequestError
from aexbench.files import DamagedFileError
from aexbench.garbage import uncollected
from aexbench.running import staleness
from aexbench.running.plans import without_folders
from aexbench.running.scoring import MetricInfo
from aexbench.running.store import (
    MOST_LABEL,
    PACKED,
    SCHEMA,
    LackingError,
    NewerSchemaError,
    Record,
    Scores,
    Store,
    suite_of,
)
from aexbench.running.strata import STRATA

LEFT_OUT = {"schema_version", "output"}  # what a cell printed may name folders of its machine
SCORES, PLAN = "scores.npz", "plan.json"
DAMAGED = (EOFError, MemoryError, zipfile.BadZipFile, zlib.error)  # what an archive can be
MOST_BYTES = 2**31  # of all scores
COMPONENTS = ("dataset", "detector", "corruption", "explainer")


class Packed:
    """A packed store, read like a `Store`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._home = root.absolute()  # whoever changes the folder later still finds it
        self._records, self._complaints = read_records(root / PACKED)

    def record(self, key: str) -> Record | None:
        """Return the record of a cell, or None where there is none."""
        return self._records.get(key)

    def keys(self) -> list[str]:
        """Return the keys of all cells that have a record."""
        return sorted(self._records)

    def records(self) -> tuple[list[Record], list[str]]:
        """Return all records in the order of their keys, and what could not be read."""
        return [self._records[key] for key in self.keys()], list(self._complaints)

    def plans(self) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
        """Yield each plan: the suite's values, and its cells' keys with their texts."""
        path = self._home / PLAN
        try:
            for plan in files.parse(files.read(path))["plans"]:
                texts = {key: str(self._records[key].cell) for key in self._records}
                yield suite_of(plan), {k: texts.get(k, k) for k in map(str, plan["cells"])}
        except files.UnreadableError:
            raise
        except (ValueError, KeyError, TypeError, OSError):
            raise DamagedFileError(f"{path} is damaged: pack the store again") from None

    def planned(self) -> dict[str, str]:
        """Return the cells of all plans: keys and texts."""
        return {key: text for _, cells in self.plans() for key, text in cells.items()}

    def read_scores(self, record: Record) -> Scores:
        """Return a cell's scores; DamagedFileError where they are not there."""
        return self._table.scores(record)

    def strata(self, record: Record, by: str) -> NDArray[np.str_]:
        """Return the stratum of each sample (N,) of a cell."""
        found = self._table.strata(record, by)
        if found is None:
            raise self.lacks(f"strata by {by}")
        return found

    def read_attributions(self, record: Record) -> NDArray[Any]:
        """Raise LackingError: attributions are not packed."""
        raise self.lacks("attributions")

    def read_standard_error(self, record: Record) -> NDArray[Any] | None:
        """Raise LackingError: they lie with the attributions."""
        raise self.lacks("attributions")

    def anomalies_of(self, record: Record) -> AnomalySet:
        """Raise LackingError: anomalies are not packed."""
        raise self.lacks("anomalies")

    @cached_property
    def _table(self) -> ScoreTable:
        return ScoreTable.read(self._home / SCORES)

    def lacks(self, what: str) -> LackingError:
        """Return the error for what a packed store does not hold."""
        return LackingError(
            f"{self.root} is packed and has no {what}: take the store that it was packed from, or "
            "run its suite again"
        )


AnyStore = Store | Packed


def open_store(root: Path) -> AnyStore:
    """Return the store in a folder, as a run writes it or packed."""
    try:
        packed = (root / PACKED).exists() and not (root / "cells").is_dir()
    except (OSError, ValueError):  # too long, or with characters that no path has
        raise RequestError(f"{str(root)[:80]!r} is no store: there is no such folder") from None
    return Packed(root) if packed else Store(root)


def pack(store: AnyStore, to: Path) -> list[Path]:
    """Write a store as a few files into the folder `to`, and return their paths.

    Only what its plans ask for is packed; everything where there is no plan.
    """
    if (to / "cells").is_dir():
        raise RequestError(f"{to} is a store itself: pack into another folder")
    _, complaints = store.records()
    if complaints:
        raise RequestError(f"cannot pack {store.root}: {complaints[0]}")
    plans = list(store.plans())
    wanted = store.planned() or dict.fromkeys(store.keys())
    records = [record for key in sorted(wanted) if (record := store.record(key)) is not None]
    if not records:
        raise RequestError(f"{store.root} has no records to pack")
    plan = [{"suite": without_folders(suite), "cells": list(cells)} for suite, cells in plans]
    return write(to, records, ScoreTable.of(store, records), plan)


def write(
    to: Path, records: Sequence[Record], table: ScoreTable, plans: Sequence[Mapping[str, Any]]
) -> list[Path]:
    """Write the files of a packed store, and return their paths."""
    lines, scores = write_records(records), table.to_bytes()
    files.make_folder(to)  # all or nothing: what is wrong has shown by now
    files.write_bytes(to / PACKED, lines)
    files.write_bytes(to / SCORES, scores)
    files.write_json(to / PLAN, {"schema_version": SCHEMA, "plans": plans})
    return [to / name for name in (PACKED, SCORES, PLAN)]


def write_records(records: Sequence[Record]) -> bytes:
    """Return records as lines of JSON: a head, what several share under short names, and each."""
    shared: dict[str, dict[str, Any]] = {}
    lines = []
    for record in records:
        values = record.model_dump(mode="json", exclude_defaults=True, exclude=LEFT_OUT)
        values.get("files", {}).pop("scores", None)  # the scores are packed, and not their file
        values["provenance"], time = _without(values.get("provenance", {}), "time")
        for name, parent, key in _places(values):
            if key in parent:
                short = value_digest(parent[key])[:12]
                shared[short] = {"shared": name, "name": short, "value": parent[key]}
                parent[key] = short
        lines.append({"key": record.cell.key, "time": time, **values})
    head = {"format": "aexbench records", "schema_version": SCHEMA}
    order = sorted(shared.values(), key=lambda one: (one["shared"], one["name"]))
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in (head, *order, *lines))
    return text.encode()


@uncollected()
def read_records(path: Path) -> tuple[dict[str, Record], list[str]]:
    """Return the records in a file by their keys, and one line for each that cannot be read."""
    try:
        texts = files.read(path).splitlines()
        version = files.parse(texts[0])["schema_version"]
    except files.UnreadableError:
        raise
    except (ValueError, LookupError, TypeError, OSError) as error:
        raise DamagedFileError(f"{path} holds no records: {error}") from None
    if version != SCHEMA:
        kind = "a newer" if isinstance(version, int) and version > SCHEMA else "an earlier"
        raise NewerSchemaError(f"{path} was written by {kind} aexbench (schema {version})")
    shared: dict[str, Any] = {}
    found: dict[str, Record] = {}
    complaints = []
    for number, text in enumerate(texts[1:], start=2):
        try:
            line = files.parse(text, files.no_constant)
            if "shared" in line:
                shared[line["name"]] = line["value"]
                continue
            record = _record(line, shared)
        except (ValueError, LookupError, TypeError, AttributeError):
            complaints.append(f"{path}, line {number}: no record")
            continue
        if record.cell.key != line["key"]:
            complaints.append(f"{path}, line {number}: its cell has another key")
            continue
        found[record.cell.key] = record
    return found, complaints


def _record(line: dict[str, Any], shared: Mapping[str, Any]) -> Record:
    """Return the record of a line; an error of one kind or another where it is none."""
    values = {name: value for name, value in line.items() if name not in ("key", "time")}
    for _, parent, key in _places(values):
        if key in parent:
            parent[key] = shared[parent[key]]
    values["provenance"] = {"time": line["time"], **values["provenance"]}
    return Record.model_validate({"schema_version": SCHEMA, **values})


def _places(values: dict[str, Any]) -> list[tuple[str, dict[str, Any], str]]:
    """Return where a record holds what others hold too: a name for it, and its place."""
    places = [(name, values["cell"], name) for name in COMPONENTS]
    places += [(f"report of {name}", values, name) for name in ("anomalies", "detector")]
    places += [("provenance", values, "provenance")]
    return [*places, ("file of anomalies", values.get("files", {}), "anomalies")]


def _without(values: Mapping[str, Any], name: str) -> tuple[dict[str, Any], Any]:
    return {key: value for key, value in values.items() if key != name}, values.get(name)


@dataclass
class ScoreTable:
    """The scores of many cells: one array a metric, and one set of units, labels and strata for all
    cells that explain the same anomalies.
    """

    metrics: dict[str, MetricInfo] = field(default_factory=dict)
    values: dict[str, dict[str, NDArray[np.float64]]] = field(default_factory=dict)
    sets: dict[str, dict[str, NDArray[Any]]] = field(default_factory=dict)

    @staticmethod
    def of(store: AnyStore, records: Sequence[Record]) -> ScoreTable:
        """Return the scores of a store's records."""
        table, metrics = ScoreTable(), staleness.of_records(records)
        for record in records:
            if record.state != "ok":
                continue
            scores, cell = staleness.current(store, record, metrics), record.cell
            table.metrics |= scores.metrics
            table.values[cell.key] = scores.values
            if cell.anomaly_key not in table.sets:
                known = {"unit": scores.unit, "label": scores.label, ALARMED: scores.alarmed}
                table.sets[cell.anomaly_key] = known | _strata(store, record)
        return table

    def scores(self, record: Record) -> Scores:
        """Return a cell's scores."""
        key, known = record.cell.key, self.sets.get(record.cell.anomaly_key)
        values = self.values.get(key)
        if known is None or values is None:
            raise DamagedFileError(f"{SCORES} has no scores of {record.cell}")
        if {len(scored) for scored in values.values()} != {len(known["unit"])}:
            raise DamagedFileError(f"{SCORES} has other scores than samples of {record.cell}")
        metrics = {name: self.metrics[name] for name in values}
        alarmed = known.get(ALARMED, np.ones(len(known["unit"]), dtype=bool))  # of earlier ones
        return Scores(values, metrics, known["unit"], known["label"], alarmed)

    def strata(self, record: Record, by: str) -> NDArray[np.str_] | None:
        """Return the stratum of each sample of a cell, or None where it is not known."""
        return self.sets.get(record.cell.anomaly_key, {}).get(by)

    def to_bytes(self) -> bytes:
        """Return the table as a compressed NPZ file, the same for the same scores."""
        arrays: dict[str, NDArray[Any]] = {"schema_version": np.array(SCHEMA)}
        infos = {name: info.model_dump() for name, info in sorted(self.metrics.items())}
        arrays["metrics"] = np.array(json.dumps(infos))
        for name in sorted(self.metrics):
            found = {k: self.values[k][name] for k in sorted(self.values) if name in self.values[k]}
            arrays[f"metric:{name}"] = np.concatenate(list(found.values()))
            arrays[f"cells:{name}"] = np.array(list(found))
            arrays[f"counts:{name}"] = np.array([len(values) for values in found.values()])
        for key, known in sorted(self.sets.items()):
            arrays |= {f"set:{key}:{part}": values for part, values in sorted(known.items())}
        out = io.BytesIO()
        np.savez_compressed(out, **arrays)  # type: ignore[arg-type]  # it takes names as keywords
        return out.getvalue()

    def check(self) -> None:
        """Raise ValueError unless the arrays belong together and hold numbers."""
        for values in self.values.values():
            real = all(v.dtype.kind in "biuf" for v in values.values())
            if not real or not all(v.ndim == 1 and np.isfinite(v).all() for v in values.values()):
                raise ValueError("its scores are no numbers")
        for known in self.sets.values():
            if {"unit", "label"} - known.keys() or len({len(v) for v in known.values()}) > 1:
                raise ValueError("its arrays do not belong together")
            if known["unit"].dtype.kind not in "iu" or known["label"].dtype.kind != "U":
                raise ValueError("its units or labels are none")
            if known.get(ALARMED, np.ones(1, bool)).dtype != np.bool_:
                raise ValueError("its alarms are no truth values")
            if known["label"].dtype.itemsize > 4 * MOST_LABEL:
                raise ValueError(f"a label has more than {MOST_LABEL} characters")

    @staticmethod
    def read(path: Path) -> ScoreTable:
        """Return the table in a file; DamagedFileError if there is none."""
        try:
            _check_size(path)
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            infos = files.parse(str(arrays["metrics"]))
            table = ScoreTable({n: MetricInfo.model_validate(v) for n, v in infos.items()})
            for name in table.metrics:
                ends = np.cumsum(arrays[f"counts:{name}"])[:-1]
                parts = np.split(arrays[f"metric:{name}"], ends)
                cells = arrays[f"cells:{name}"].tolist()
                for key, part in zip(cells, parts, strict=True):
                    table.values.setdefault(key, {})[name] = part
            for name, values in arrays.items():
                if name.startswith("set:"):
                    _, key, part = name.split(":", 2)
                    table.sets.setdefault(key, {})[part] = values
            table.check()
        except (*DAMAGED, ValueError, KeyError, TypeError, OSError) as error:
            raise DamagedFileError(f"{path} holds no scores: {error}") from None
        return table


def _check_size(path: Path) -> None:
    """Raise ValueError where an archive holds more than can be read at once."""
    with zipfile.ZipFile(path) as file:
        if sum(member.file_size for member in file.infolist()) > MOST_BYTES:
            raise ValueError("it holds gigabytes")


def _strata(store: AnyStore, record: Record) -> dict[str, NDArray[np.str_]]:
    """Return what boards can be split by, as far as it is known of a cell's anomalies."""
    found = {}
    for name in STRATA:
        try:
            found[name] = store.strata(record, name)
        except RequestError:  # images have no features by name, labels no gain
            continue
    return found
