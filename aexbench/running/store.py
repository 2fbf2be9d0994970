"""The store: a folder of plain files, one record per cell. No database, no index, no lock.

    cells/<key>.json                 the record: cell, state and reason, timing, scores, provenance
    attributions/<key>.safetensors   what the explainer returned, raw
    scores/<key>.safetensors         one value per sample and metric, and what they derive from
    timings/<key>.json               every timing sample
    anomalies/<key>.safetensors      anomaly sets, first writer wins
    detectors/<key>.safetensors      the weights that everyone explains, first writer wins
    plans/<suite>.json               the cells that a run has asked for
    claims/<key>.json                who works on a cell now

Every file is written whole or not at all, and a record last: a cell with a record is finished.
Records may come from strangers: they are checked on reading.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import stat
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from aexbench import files
from aexbench.contracts import ALARMED, AnomalySet
from aexbench.digests import file_digest
from aexbench.errors import RequestError, StoreError, plain
from aexbench.features import Features
from aexbench.files import DamagedFileError
from aexbench.garbage import uncollected
from aexbench.running.cells import Cell, Role
from aexbench.running.folding import folded, unfolded
from aexbench.running.scoring import MetricInfo
from aexbench.running.strata import STRATA
from aexbench.texts import pathless, plain_lines

SCHEMA: Literal[2] = 2
State = Literal["ok", "failed", "timeout", "out-of-memory", "skipped"]
STATES: tuple[State, ...] = ("ok", "skipped", "failed", "timeout", "out-of-memory")
Line = Annotated[str, AfterValidator(lambda text: plain(pathless(text)))]
Lines = Annotated[str, AfterValidator(lambda text: plain_lines(pathless(text)))]
REAL = frozenset(  # types, as safetensors calls them
    ("BOOL", "U8", "U16", "U32", "U64", "I8", "I16", "I32", "I64", "F16", "F32", "F64")
)
MOST_LABEL = 1000  # characters: each sample has the room of the longest
PACKED = "records.jsonl"  # what a packed store is known by
FOLDERS = ("cells", "attributions", "scores", "timings", "anomalies", "detectors", "plans")


class OlderSchemaError(DamagedFileError):
    """A record of an earlier version, whose keys counted other things."""


class StaleError(DamagedFileError):
    """Scores that are whole, and of another time than what they belong to."""


class LackingError(RequestError):
    """What is asked for is not in a packed store."""


class NewerSchemaError(RequestError):
    """A record that this version cannot read, and must not replace."""


class FileInfo(BaseModel):
    """The size and the checksum of a file that belongs to a record."""

    model_config = ConfigDict(frozen=True)

    bytes: int
    sha256: str


class Times(BaseModel):
    """Median times of an explainer on the trained detector; controls and references have none.

    `hardware` is the machine that they were measured on; that of the record where it is left out.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    prepare_s: float = Field(ge=0)
    latency_s: float = Field(ge=0)
    latency_spread: float | None = Field(default=None, ge=0)
    samples_per_s: float = Field(ge=0)
    peak_bytes: int | None = None
    forward_rows: float | None = Field(default=None, ge=0)
    backward_rows: float | None = Field(default=None, ge=0)
    uncounted: Line = ""  # why rows could not be counted
    hardware: dict[str, Any] | None = None


class Likeness(BaseModel):
    """How alike a control's attributions are to those on the trained detector.

    `mean` is that of the rank correlations of those `samples` in which one is defined; `to` names
    the trained detector's attributions, by the beginning of their checksum.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    mean: float | None = Field(ge=-1, le=1)
    samples: int = Field(ge=0)
    to: str = Field(max_length=12)


class Record(BaseModel):
    """What came of a cell. A state other than `ok` is a result too, with its reason.

    No text of others in it commands a terminal or names a folder, wherever it was made.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    schema_version: Literal[2]
    cell: Cell
    state: State
    reason: Line = ""
    traceback: Lines = ""
    output: Lines = ""  # the end of what it printed
    seconds: dict[str, float] = Field(default_factory=dict)  # what it took, by kinds of work
    role: Role = "explainer"
    own_error: bool = False  # what its explainer declares
    files: dict[str, FileInfo] = Field(default_factory=dict)
    anomalies: dict[str, Any] = Field(default_factory=dict)
    detector: dict[str, Any] = Field(default_factory=dict)
    measures: dict[str, float] = Field(
        default_factory=dict
    )  # an explainer's own, such as its gap to completeness
    timing: Times | None = None
    untimed: Line = ""  # why it could not be timed
    likeness: Likeness | None = None  # of a control
    scores: dict[str, float] = Field(default_factory=dict)
    scored_by: dict[str, str] = Field(default_factory=dict)  # the metrics' versions
    provenance: dict[str, Any] = Field(default_factory=dict)

    def files_with(self, name: str, info: FileInfo) -> dict[str, FileInfo]:
        """Return its files with another one, in the order of their names."""
        return dict(sorted({**self.files, name: info}.items()))


@dataclass(frozen=True)
class Scores:
    """One value per sample (N,) by metric, what the metrics are, each sample's unit and label and
    whether it raises an alarm, and the versions of the metrics, where these are known.
    """

    values: dict[str, NDArray[np.float64]]
    metrics: dict[str, MetricInfo]
    unit: NDArray[np.int64]
    label: NDArray[np.str_]
    alarmed: NDArray[np.bool_]
    versions: Mapping[str, str] = field(default_factory=dict)

    def only(self, names: Sequence[str]) -> Scores:
        """Return the scores by some of the metrics, in that order."""
        return replace(
            self,
            values={name: self.values[name] for name in names},
            metrics={name: self.metrics[name] for name in names},
            versions={name: self.versions[name] for name in names},
        )

    def joined(self, other: Scores) -> Scores:
        """Return these scores and others of the same samples; where both have a metric, its own
        count.
        """
        return replace(
            self,
            values={**other.values, **self.values},
            metrics={**other.metrics, **self.metrics},
            versions={**other.versions, **self.versions},
        )


def check_home(root: Path) -> None:
    """Raise RequestError where a path can be no store that takes results."""
    try:
        packed, there = (root / PACKED).exists(), root.exists()
    except OSError as error:  # too long
        raise StoreError(f"{str(root)[:80]!r} can be no folder: {error.strerror}") from None
    if packed:
        raise RequestError(f"{root} is a packed store, which takes no more results")
    if there and not root.is_dir():
        raise StoreError(f"{root} is needed as a folder, and a file is in its way")


class Store:
    """A store in a folder; `create=True` makes the folder if it is not there."""

    def __init__(self, root: Path, create: bool = False) -> None:
        self.root = root
        self._home = root.absolute()  # whoever changes the folder later still finds it
        if create:
            check_home(root)
            for name in FOLDERS:
                files.sweep(files.make_folder(root / name))
        elif not (root / "cells").is_dir():
            raise RequestError(f"{root} is no store: there is no folder {root / 'cells'}")

    def path(self, folder: str, key: str) -> Path:
        """Return where a file stands."""
        ending = "json" if folder in ("cells", "timings", "plans") else "safetensors"
        return self._home.joinpath(folder, f"{key}.{ending}")

    def write_record(self, record: Record, write: files.Write = files.write_bytes) -> None:
        """Write a record: from here on its cell is finished."""
        path = self.path("cells", record.cell.key)
        files.write_json(path, record.model_dump(mode="json"), write)

    def record(self, key: str) -> Record | None:
        """Return the record of a cell, or None where there is none that can be read and trusted."""
        path = self.path("cells", key)
        if not path.exists():
            return None
        try:
            return read_record(path)
        except DamagedFileError:
            return None

    def finished(self, cell: Cell) -> Record | None:
        """Return a cell's record if its attributions are there too, with the checksum that they
        should have.
        """
        record = self.record(cell.key)
        if record is None or record.state != "ok":
            return record
        path = self.path("attributions", cell.key)
        return record if is_that(path, record.files.get("attributions")) else None

    def keys(self) -> list[str]:
        """Return the keys of all cells that have a record."""
        return [path.stem for path in self._paths()]

    def _paths(self) -> list[Path]:
        """Return the files of all records, in the order of their keys."""
        folder = self._home / "cells"
        names = os.listdir(folder) if folder.is_dir() else []  # a dry run makes none
        return [folder / name for name in sorted(names) if name.endswith(".json")]

    @uncollected()
    def records(self) -> tuple[list[Record], list[str]]:
        """Return all records in the order of their keys, and one line for each that cannot be
        read; those of an earlier version share one.
        """
        found, complaints, older = [], [], 0
        for path in self._paths():
            try:
                found.append(read_record(path))
            except OlderSchemaError:
                older += 1
            except (DamagedFileError, NewerSchemaError, files.UnreadableError) as error:
                complaints.append(str(error))
        if older:
            complaints.append(
                f"{self.root}: {older} records bear the keys of an earlier aexbench and do not "
                "count: run the suite again"
            )
        return found, complaints

    def strata(self, record: Record, by: str) -> NDArray[np.str_]:
        """Return the stratum of each sample (N,) of a cell: `by` is a name of `strata.STRATA`."""
        return STRATA[by](self.anomalies_of(record))

    def write_attributions(
        self, key: str, attributions: NDArray[Any], standard_error: NDArray[Any] | None = None
    ) -> FileInfo:
        """Write what an explainer returned, as it returned it, and how far it may be off, where the
        explainer tells that.
        """
        told = {} if standard_error is None else {"standard_error": standard_error}
        return self._write(
            "attributions", key, files.pack({"attributions": attributions, **told}, {})
        )

    def read_attributions(self, record: Record) -> NDArray[Any]:
        """Return a cell's attributions; DamagedFileError if they are not those of the record."""
        return self._explained(record)["attributions"]

    def read_standard_error(self, record: Record) -> NDArray[Any] | None:
        """Return the standard error of each of a cell's attributions; None where the explainer told
        none, and DamagedFileError if the file is not that of the record.
        """
        return self._explained(record).get("standard_error")

    def _explained(self, record: Record) -> dict[str, NDArray[Any]]:
        path, info = self.path("attributions", record.cell.key), record.files.get("attributions")
        if not is_that(path, info):
            raise DamagedFileError(
                f"{path} is missing or not the file of its record: run the suite again to renew it"
            )
        arrays, _ = _unpacked(path)
        if "attributions" not in arrays:
            raise DamagedFileError(f"{path} holds no attributions")
        return arrays

    def write_scores(
        self,
        key: str,
        scores: Scores,
        attributions: FileInfo,
        write: files.Write = files.write_bytes,
    ) -> FileInfo:
        """Write a cell's scores, and what they derive from: the attributions, and the metrics'
        versions; a file that is there and holds just that stays.
        """
        labels, label = np.unique(scores.label, return_inverse=True)
        arrays: dict[str, NDArray[Any]] = {
            f"metric:{name}": values for name, values in scores.values.items()
        }
        arrays |= {"unit": scores.unit, "label": label.astype(np.int64), ALARMED: scores.alarmed}
        metadata = {
            "labels": labels.tolist(),
            "metrics": {name: info.model_dump() for name, info in scores.metrics.items()},
            "derived_from": attributions.sha256,
            "versions": dict(scores.versions),
        }
        content = files.pack(arrays, metadata)
        info, path = _info(content), self.path("scores", key)
        if not is_that(path, info):
            write(path, content)
        return info

    def read_scores(self, record: Record) -> Scores:
        """Return a cell's scores; DamagedFileError if they are missing, are not the file of the
        record, or derive from other attributions.
        """
        path, content = self._scores_of(record)
        arrays, metadata = _real(path, *files.unpack_content(content, path))
        with self._scores_in(path, record, metadata):
            return _scores(arrays, metadata)

    def score_versions(self, record: Record) -> dict[str, str]:
        """Return the versions of the metrics by which a cell has scores, by their names, from the
        head of their file; DamagedFileError as for the scores.
        """
        path, content = self._scores_of(record)
        types, metadata = files.described(content, path)
        with self._scores_in(path, record, metadata):
            if not REAL.issuperset(types.values()):
                raise ValueError("its arrays are no real numbers")
            _check_labels([str(text) for text in metadata["labels"]])
            return {name: str(metadata["versions"][name]) for name in metadata["metrics"]}

    def _scores_of(self, record: Record) -> tuple[Path, bytes]:
        """Return the file of a cell's scores, which is the one of the record, and its content."""
        path, info = self.path("scores", record.cell.key), record.files.get("scores")
        again = f"aexbench score {self.root} derives"
        if info is None:
            raise StaleError(
                f"scores of an earlier aexbench, not held to theirs: {again} them again"
            )
        content = content_of(path, info)
        if content is None:
            why = "is not the file of its record" if path.exists() else "is missing"
            raise DamagedFileError(f"{path} {why}: {again} it again")
        return path, content

    @contextmanager
    def _scores_in(self, path: Path, record: Record, metadata: Mapping[str, Any]) -> Iterator[None]:
        """Read scores of the record's attributions; DamagedFileError where they are of others, or
        none.
        """
        try:
            if metadata["derived_from"] != record.files["attributions"].sha256:
                again = f"aexbench score {self.root} derives"
                raise DamagedFileError(f"{path} is of other attributions: {again} it again")
            yield
        except DamagedFileError:
            raise
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            raise DamagedFileError(f"{path} holds no scores: {error}") from None

    def write_timings(self, key: str, samples: Mapping[str, Any]) -> FileInfo:
        """Write every timing sample of a cell."""
        return self._write("timings", key, (json.dumps(samples) + "\n").encode())

    def write_anomalies(self, key: str, content: bytes) -> None:
        """Write what `pack_anomalies` returns unless a set is there: the first writer wins."""
        files.write_once(self.path("anomalies", key), content)

    def read_anomalies(self, key: str) -> AnomalySet | None:
        """Return an anomaly set, or None where there is none."""
        path = self.path("anomalies", key)
        return unpack_anomalies(path) if path.exists() else None

    def anomalies_of(self, record: Record) -> AnomalySet:
        """Return the anomaly set that a record's attributions explain; DamagedFileError if it is
        not there any more.
        """
        path, info = self.path("anomalies", record.cell.anomaly_key), record.files.get("anomalies")
        if not is_that(path, info):
            raise DamagedFileError(
                f"{path} is missing or not the anomaly set of record {record.cell.key}: put it "
                "back, or run the cells on it again with --rerun all"
            )
        return unpack_anomalies(path)

    def borne(self, apart_from: Collection[Cell]) -> dict[str, frozenset[str]]:
        """Return the checksums of the anomaly sets that records bear, by the keys of the sets;
        records of some cells do not count.
        """
        left_out, found = {cell.key for cell in apart_from}, defaultdict[str, set[str]](set)
        for record in self.records()[0]:
            if "anomalies" in record.files and record.cell.key not in left_out:
                found[record.cell.anomaly_key].add(record.files["anomalies"].sha256)
        return {key: frozenset(checksums) for key, checksums in found.items()}

    def write_plan(self, suite: Mapping[str, Any], cells: Iterable[Cell]) -> None:
        """Write which cells a run has asked for."""
        plan = {"suite": suite, "cells": {cell.key: str(cell) for cell in cells}}
        files.write_json(self.path("plans", str(suite["name"])), plan)

    def plans(self) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
        """Yield each plan: the suite's values, and its cells' keys with their texts."""
        for path in sorted((self._home / "plans").glob("*.json")):
            try:
                plan = files.parse(files.read(path))
                suite = suite_of(plan)
                yield suite, {str(key): str(text) for key, text in plan["cells"].items()}
            except files.UnreadableError:
                raise
            except (ValueError, KeyError, TypeError, AttributeError, OSError):
                raise DamagedFileError(
                    f"{path} is damaged: remove it, or run its suite again"
                ) from None

    def planned(self) -> dict[str, str]:
        """Return the cells of all plans: keys and texts."""
        return {key: text for _, cells in self.plans() for key, text in cells.items()}

    def _write(self, folder: str, key: str, content: bytes) -> FileInfo:
        files.write_bytes(self.path(folder, key), content)
        return _info(content)


def _unpacked(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the arrays and the metadata of a sidecar; DamagedFileError unless they are real."""
    return _real(path, *files.unpack(path))


def _real(
    path: Path, arrays: dict[str, NDArray[Any]], metadata: dict[str, Any]
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise DamagedFileError(f"{path} is damaged: {name} is {array.dtype}, no real numbers")
    return arrays, metadata


def _labels(metadata: Mapping[str, Any], label: NDArray[Any]) -> NDArray[np.str_]:
    """Return the label of each sample (N,); ValueError where they are none, or too long to be kept
    for each sample.
    """
    texts = [str(text) for text in metadata["labels"]]
    _check_labels(texts)
    if not np.issubdtype(label.dtype, np.integer) or (label.size and label.min() < 0):
        raise ValueError("its labels are no numbers")
    labels: NDArray[np.str_] = np.asarray(texts, dtype=str)[label]
    return labels


def _check_labels(texts: Sequence[str]) -> None:
    if max(map(len, texts), default=0) > MOST_LABEL:
        raise ValueError(f"a label has more than {MOST_LABEL} characters")


def _scores(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]) -> Scores:
    """Return the scores in a sidecar; an error of one kind or another where it holds something
    else.
    """
    metrics = {
        str(name): MetricInfo.model_validate(value) for name, value in metadata["metrics"].items()
    }
    values = {name: arrays[f"metric:{name}"].astype(np.float64) for name in metrics}
    unit, label = arrays["unit"], arrays["label"]
    alarmed = arrays.get(ALARMED, np.ones(len(unit), dtype=bool))  # of an earlier aexbench: all
    for array in (*values.values(), unit, label, alarmed):
        if array.ndim != 1 or len(array) != len(unit) or not np.isfinite(array).all():
            raise ValueError("its arrays do not belong together")
    if not np.issubdtype(unit.dtype, np.integer) or alarmed.dtype != np.bool_:
        raise ValueError("its units are no numbers, or its alarms no truth values")
    versions = {name: str(metadata["versions"][name]) for name in metrics}
    return Scores(values, metrics, unit, _labels(metadata, label), alarmed, versions)


def suite_of(plan: Any) -> dict[str, Any]:
    """Return the suite in a plan; an error of one kind or another where it is none."""
    suite = dict(plan["suite"])
    metrics, curve = suite.get("metrics", []), suite.get("curve", [])
    if not isinstance(suite["name"], str) or not all(isinstance(m, list) for m in (metrics, curve)):
        raise TypeError("it has no name, or metrics that are none")
    if not all(isinstance(entry, str | dict) for entry in (*metrics, *curve)):
        raise TypeError("a metric is a name or a table")
    return suite


def file_info(path: Path) -> FileInfo:
    """Return the size and the checksum of a file."""
    return FileInfo(bytes=path.stat().st_size, sha256=file_digest(path))


def _info(content: bytes) -> FileInfo:
    return FileInfo(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def is_that(path: Path, info: FileInfo | None) -> bool:
    """Whether a file is the one whose size and checksum a record bears; of one of another size
    nothing is read.

    Raises
    ------
    UnreadableError
        If the system does not let it be read.
    """
    try:
        if info is None or not _fits(info, os.stat(path)):
            return False
        return file_digest(path) == info.sha256
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise files.UnreadableError(f"{path} cannot be read: {error.strerror or error}") from None


def _fits(info: FileInfo, found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) and found.st_size == info.bytes


def content_of(path: Path, info: FileInfo) -> bytes | None:
    """Return the content of the file whose size and checksum a record bears, or None where that is
    another one or none; raises as `is_that` does.
    """
    try:
        content = files.content(path, functools.partial(_fits, info))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise files.UnreadableError(f"{path} cannot be read: {error.strerror or error}") from None
    if content is None or hashlib.sha256(content).hexdigest() != info.sha256:
        return None
    return content


def read_record(path: Path) -> Record:
    """Return a record from its file; DamagedFileError if it is none, or not of the cell that its
    name says.
    """
    try:
        values = files.parse(files.read(path), files.no_constant)
        version = values.get("schema_version") if isinstance(values, dict) else None
        if type(version) is int and version > SCHEMA:
            raise NewerSchemaError(
                f"{path} was written by a newer aexbench (schema {version}): update to read it"
            )
        if type(version) is int and version < SCHEMA:
            raise OlderSchemaError(f"{path} was written by an earlier aexbench (schema {version})")
        record = Record.model_validate(values)
        key = record.cell.key
    except (StoreError, NewerSchemaError):
        raise
    except (ValueError, OSError) as error:
        first = (
            error.errors()[0]
            if isinstance(error, ValidationError)
            else {"loc": (), "msg": str(error)}
        )
        place = ".".join(map(str, first["loc"]))
        raise DamagedFileError(
            f"{path} is no record: {place} {first['msg']}".replace("  ", " ")
        ) from None
    if key != path.stem:
        raise DamagedFileError(f"{path} is no record: its cell belongs in {key}.json")
    return record


def pack_anomalies(anomalies: AnomalySet) -> bytes:
    """Return an anomaly set as the bytes of one safetensors file; StoreError where its labels are
    too long to be read again.
    """
    labels, label = np.unique(anomalies.label, return_inverse=True)
    if max(map(len, labels.tolist()), default=0) > MOST_LABEL:
        raise StoreError(f"a label of the anomalies has more than {MOST_LABEL} characters")
    arrays = {name: getattr(anomalies, name) for name in ("x", "truth", "score", "error", "unit")}
    arrays |= {"label": label.astype(np.int64)} | {
        f"detail:{name}": v for name, v in anomalies.details.items()
    }
    if anomalies.clean is not None:
        arrays["clean"] = anomalies.clean
    features = {f.name: getattr(anomalies.features, f.name) for f in fields(Features)}
    return files.pack(
        folded(arrays),
        {"labels": labels.tolist(), "features": features, "report": dict(anomalies.report)},
    )


def _check_set(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Raise ValueError unless the arrays of an anomaly set are of their kinds, and finite."""
    kinds = {"x": "f", "truth": "b", "score": "f", "error": "f", "unit": "iu", "label": "iu"}
    for name, kind in kinds.items():
        if arrays[name].dtype.kind not in kind or not np.isfinite(arrays[name]).all():
            raise ValueError(f"its {name} is none")


def unpack_anomalies(path: Path) -> AnomalySet:
    """Return the anomaly set in a file; DamagedFileError if there is none."""
    held, metadata = _unpacked(path)
    try:
        arrays = unfolded(held)
        _check_set(arrays)
        features = {
            k: tuple(v) if isinstance(v, list) else v for k, v in metadata["features"].items()
        }
        return AnomalySet(
            **{name: arrays[name] for name in ("x", "truth", "score", "error", "unit")},
            label=_labels(metadata, arrays["label"]),
            features=Features(**features),
            clean=arrays.get("clean"),
            details={
                k.removeprefix("detail:"): v for k, v in arrays.items() if k.startswith("detail:")
            },
            report=metadata["report"],
        )
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise DamagedFileError(f"{path} holds no anomaly set: {error}") from None
