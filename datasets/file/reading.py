"""What lies in a file or a data frame, by the role that each part has, as it was read: CSV, Parquet
or NPZ, pandas or polars.
"""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aexbench import RequestError
from aexbench.datasets.file import remarks
from aexbench.datasets.file.texts import DAMAGED, OPENERS, check_width, read_text
from aexbench.datasets.tools.splits import listed
from aexbench.errors import plain, unknown
from aexbench.frames import Frame, pandas_frame

if TYPE_CHECKING:
    import pandas as pd

TEXTS, ARRAYS = (".csv", ".tsv"), (".parquet", ".npz")
ENDINGS = (*TEXTS, *ARRAYS, *(text + packed for text in TEXTS for packed in OPENERS))
RAGGED = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")
MOST_SHOWN = 30  # names where one is unknown
BY_ROLE = ("label", "unit", "kind")


@dataclass(frozen=True)
class Roles:
    """Which part of a file is what; see `file`."""

    label: str | None = None
    truth: str | None = None
    unit: str | None = None
    kind: str | None = None
    drop: tuple[str, ...] = ()
    data: str = "X"
    groups: tuple[str, ...] = ()


@dataclass
class Content:
    """A file's parts.

    Attributes
    ----------
    features
        The columns that are left when all others have their role.
    columns
        Those of the label, the unit and the kind, by role.
    causes
        The columns of the truth, called like what they are the truth of; None without one.
    missing
        What was asked for and is not there: what to say, by role and name.
    wrong, notes
        What else is wrong, and what to say of it.
    array
        The array that holds the truth, in an NPZ.
    """

    path: Path
    features: pd.DataFrame
    columns: dict[str, pd.Series[Any]] = field(default_factory=dict)
    causes: pd.DataFrame | None = None
    missing: dict[tuple[str, str], str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    array: str | None = None

    @property
    def names(self) -> list[str]:
        """The names of the features."""
        return [str(name) for name in self.features.columns]


def read(source: Path | Frame, roles: Roles, called: str = "the frame") -> Content:
    """Return the parts of a file, or of a data frame, which messages name as it is `called`.

    Raises
    ------
    RequestError
        If a file is not there, of another form or damaged, or the table is too wide.
    """
    if isinstance(source, Path):
        return _of_file(source, roles)
    frame = pandas_frame(source)
    check_width(frame.shape[1], Path(called))
    return _of_indexed(frame, Path(called), roles)


def _of_file(path: Path, roles: Roles) -> Content:
    if not path.is_file():
        raise RequestError(f"there is no file {path}")
    form = _form(path)
    try:
        if form == ".npz":
            return _of_arrays(path, roles)
        if form == ".parquet":
            return _of_parquet(path, roles)
        asked = (roles.label, roles.unit, roles.kind, *roles.drop, *roles.groups)
        frame, names, notes = read_text(path, form, asked)
    except RequestError:
        raise
    except ImportError:
        raise RequestError(
            'Parquet needs pyarrow: python -m pip install "aexbench[parquet]"'
        ) from None
    except (*DAMAGED, NotImplementedError, zipfile.BadZipFile) as error:
        raise RequestError(f"cannot read {path}: {_reason(error)}") from None
    frame.columns = [n or str(old) for n, old in zip(names, frame.columns, strict=True)]
    content = _of_frame(frame, path, roles)
    content.notes += notes
    return content


def _reason(error: Exception) -> str:
    """Return why a file cannot be read, and what helps where that is known."""
    if isinstance(error, UnicodeDecodeError):
        what = error.encoding.upper()
        return f"it is no {what} text (but Latin-1, Windows-1252?): save it as UTF-8"
    text = plain((str(error) or type(error).__name__).splitlines()[0])
    if ragged := RAGGED.search(text):
        names, line, values = ragged.groups()
        return (
            f"line {line} has {values} values where {names} columns are expected: remove what "
            "stands above the names, and put quotes around values that hold a separator"
        )
    return text


def _form(path: Path) -> str:
    """Return `.csv`, `.tsv`, `.parquet` or `.npz`; the first two may be compressed."""
    form = path.suffix.lower()
    if form in OPENERS:
        inner = Path(path.stem).suffix.lower()
        form = inner if inner in TEXTS else form
    if form not in (*TEXTS, *ARRAYS):
        raise RequestError(f"{path} is neither .csv, .parquet nor .npz (nor .tsv, .csv.gz, …)")
    return form


def _of_parquet(path: Path, roles: Roles) -> Content:
    import pandas as pd
    from pyarrow import parquet  # type: ignore[import-untyped,unused-ignore]

    names = parquet.read_schema(path).names
    check_width(len(names), path)
    twins = [name for name, count in Counter(names).items() if count > 1]
    if twins:  # pandas does not read them
        raise RequestError(f"{path.name}: {_twins(twins)}")
    return _of_indexed(pd.read_parquet(path, engine="pyarrow"), path, roles)


def _of_indexed(frame: pd.DataFrame, path: Path, roles: Roles) -> Content:
    """Return the parts of a frame whose index holds a role, or is left out."""
    import pandas as pd

    index = [name for name in frame.index.names if name is not None]
    wanted = [n for n in index if str(n) in (roles.label, roles.unit, roles.kind)]
    left = {str(name): "its index" for name in index if name not in wanted}
    notes = remarks.left_out(left)
    if not index and not isinstance(frame.index, pd.RangeIndex):
        notes = ["left out: its index"]
    frame = frame.reset_index(level=wanted).reset_index(drop=True)
    frame.columns = frame.columns.map(str)
    content = _of_frame(frame, path, roles)
    content.missing = {
        (role, name): text
        for (role, name), text in content.missing.items()
        if role != "drop" or name not in left
    }
    content.notes += notes
    return content


def _of_frame(frame: pd.DataFrame, path: Path, roles: Roles) -> Content:
    twins = list(dict.fromkeys(frame.columns[frame.columns.duplicated()]))
    frame = frame.loc[:, ~frame.columns.duplicated()]
    content = Content(path, frame)
    content.wrong += [_twins(twins)] if twins else []
    names = [str(name) for name in frame.columns]
    for role in BY_ROLE:
        name = getattr(roles, role)
        if name in names:
            content.columns[role] = frame[name]
        elif name is not None:
            content.missing[role, name] = _unknown(f"column of {path.name}", name, names)
    for name in roles.drop:
        if name not in names:
            content.missing["drop", name] = _unknown(f"column of {path.name}", name, names)
    taken = {*roles.drop, *(getattr(roles, role) for role in BY_ROLE)}
    left = [name for name in names if name not in taken]
    causes = [name for name in left if roles.truth and name.startswith(roles.truth)]
    content.features = frame[[name for name in left if name not in set(causes)]]
    if roles.truth is not None:
        content.causes = frame[causes].rename(columns=lambda name: name[len(roles.truth or "") :])
        if not causes:
            what = f"{path} has no column {roles.truth}NAME for any feature NAME"
            content.missing["truth", roles.truth] = what
            content.causes = None
    return content


def _twins(names: Sequence[str]) -> str:
    return f"several columns have one name: {listed(map(repr, names))}: rename them"


def _of_arrays(path: Path, roles: Roles) -> Content:
    """Return the parts of an NPZ; the columns of its table are called feature 1, feature 2, …."""
    import pandas as pd

    asked = {role: getattr(roles, role) for role in (*BY_ROLE, "truth", "data")}
    arrays: dict[str, NDArray[Any]] = {}
    missing = {}
    with _archive(path) as archive:
        for role, name in asked.items():
            if name is not None and name in archive:
                arrays[role] = _array(archive, name, path)
            elif name is not None:
                missing[role, name] = _unknown(f"array of {path.name}", name, archive)
        others = [name for name in archive if name not in asked.values()]
    if "data" not in arrays:
        raise RequestError("; ".join(missing.values()))
    table = arrays.pop("data")
    if table.ndim != 2 or table.dtype.kind not in "biuf":
        raise RequestError(
            f"array {roles.data!r} of {path.name} must be a table of numbers; it is {table.dtype} "
            f"{table.shape}"
        )
    check_width(table.shape[1], path)
    names = [f"feature {number + 1}" for number in range(table.shape[1])]
    frame = pd.DataFrame(table.astype(np.float64), columns=names)
    content = Content(path, frame.drop(columns=[n for n in roles.drop if n in names]))
    content.array = roles.truth
    if roles.label is None:
        content.notes += remarks.unasked(others)
    content.missing = missing | {
        ("drop", name): _unknown(f"column of {path.name}", name, names)
        for name in roles.drop
        if name not in names
    }
    for role, array in arrays.items():
        found = array[:, 0] if role != "truth" and array.shape[1:] == (1,) else array
        needed = table.shape if role == "truth" else table.shape[:1]
        if found.shape != needed:
            content.wrong.append(
                f"array {asked[role]!r} of {path.name} has shape {array.shape}; {roles.data!r} "
                f"needs {needed}"
            )
        elif role == "truth":
            content.causes = pd.DataFrame(found, columns=names)
        else:
            content.columns[role] = pd.Series(found)
    return content


def _array(archive: Any, name: str, path: Path) -> NDArray[Any]:
    """Return an array of an NPZ that is open."""
    try:
        return np.asarray(archive[name])
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        what = f"array {name!r} of {path.name} holds Python objects"
        raise RequestError(f"{what}: save it with a type, array.astype(float) or (str)") from None


def _archive(path: Path) -> Any:
    """Return an NPZ that is open."""
    found = np.load(path, allow_pickle=False)
    if isinstance(found, np.ndarray):
        raise RequestError(
            f"{path} holds one array, as .npy files do: write it with numpy.savez(path, X=array)"
        )
    return found


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Return what to say of an unknown name: the nearest, and the others as far as they are few."""
    choices = sorted(known)
    if len(choices) <= MOST_SHOWN:
        return str(unknown(what, name, choices))
    return f"unknown {what} {name!r}; there are {listed(choices)}"


def shared(contents: Sequence[Content]) -> list[str]:
    """Return what was asked for and is missing; of two files, the second one is the test's.

    Label, truth, unit and kind may stand in it alone, and a column to drop in either.
    """
    first, last = contents[0].missing, contents[-1].missing
    return [text for (role, name), text in last.items() if role != "drop" or (role, name) in first]
