"""The anomalies and weights of a store as one archive: what others need to add to its board.

    anomalies.zip    detectors/<key>.safetensors, anomalies/<key>.safetensors
    anomalies.json   the archive's size and SHA-256

Whoever unpacks it into a store of their own explains the same anomalies of the same weights there.
Nothing in it is compressed: it unpacks to no more than its own size.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Literal

from pydantic import BaseModel, ConfigDict, Field

from aexbench import files
from aexbench.digests import file_digest
from aexbench.errors import RequestError
from aexbench.files import DamagedFileError
from aexbench.running.packed import AnyStore, Packed
from aexbench.running.store import Record, Store

ARCHIVE, HEAD = "anomalies.zip", "anomalies.json"
FORMAT: Literal["aexbench anomalies"] = "aexbench anomalies"
SCHEMA: Literal[1] = 1
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same archive for the same files


class Head(BaseModel):
    """What is known of an archive before it is opened."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["aexbench anomalies"]
    schema_version: Literal[1]
    bytes: int = Field(gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


def write(store: AnyStore, to: Path) -> list[Path]:
    """Write what the plans of a store explain into the folder `to`, and return the paths; of a
    given network there are anomalies alone.
    """
    if isinstance(store, Packed):
        raise store.lacks("anomalies")
    members = _members(store)
    if not members:
        raise RequestError(f"{store.root} has no anomalies to hand on")
    archive = files.make_folder(to) / ARCHIVE
    files.write_with(archive, lambda file: _write(file, members))
    size, digest = archive.stat().st_size, file_digest(archive)
    head = Head(format=FORMAT, schema_version=SCHEMA, bytes=size, sha256=digest)
    files.write_json(to / HEAD, head.model_dump())
    return [archive, to / HEAD]


def _write(file: IO[bytes], members: Mapping[str, Path]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, path in sorted(members.items()):
            entry = zipfile.ZipInfo(name, LONG_AGO)
            entry.external_attr = 0o644 << 16
            entry.file_size = path.stat().st_size
            with path.open("rb") as source, archive.open(entry, "w") as target:
                shutil.copyfileobj(source, target)


def _members(store: Store) -> dict[str, Path]:
    """Return the files that hold what a store's plans explain, by their names in an archive."""
    found: dict[str, Path] = {}
    wanted = store.planned() or dict.fromkeys(store.keys())
    for record in filter(None, map(store.record, wanted)):
        if record.state == "ok" and _name("anomalies", record.cell.anomaly_key) not in found:
            found |= _of(store, record)
    return found


def _of(store: Store, record: Record) -> dict[str, Path]:
    """Return what a record explains; DamagedFileError unless it is still that."""
    store.anomalies_of(record)
    keys = {"anomalies": record.cell.anomaly_key, "detectors": record.cell.detector_key}
    paths = {_name(folder, key): store.path(folder, key) for folder, key in keys.items()}
    weights = store.path("detectors", keys["detectors"])
    if weights.exists() and file_digest(weights) != record.anomalies.get("detector"):
        raise DamagedFileError(f"{weights} is not what the anomalies were made with")
    return {name: path for name, path in paths.items() if path.exists()}


def _name(folder: str, key: str) -> str:
    return f"{folder}/{key}.safetensors"
