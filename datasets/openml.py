"""Any table of OpenML, which scikit-learn fetches. Only `aexbench data get` downloads it.

Tables lie in the data folder as NPZ.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from aexbench import Dataset, RequestError, files, specs
from aexbench.datasets import register
from aexbench.datasets.tools.columns import Column, dataset_of
from aexbench.datasets.tools.fetched import cache_home, network
from aexbench.digests import value_digest
from aexbench.errors import unknown
from aexbench.fetching.downloads import Download, may_fetch

if TYPE_CHECKING:
    import pandas as pd


@register(
    "openml",
    version=3,
    images=False,
    licence="each its own",
    download=Download(
        size=0,
        folders=["openml"],
        contains="tables",
        page="https://www.openml.org/search?type=data",
    ),
)
def openml(
    *,
    table: str | None = None,
    id: Annotated[int, Ge(1)] | None = None,
    version: Annotated[int, Ge(1)] = 1,
    target: str | None = None,
    normal: str | int | float | bool | None = None,
    drop: Sequence[str] = (),
    gaps: Literal["refuse", "mean"] = "refuse",
    autoencoder: str = "mlp",
    seed: Annotated[int, Ge(0)] = 0,
) -> Dataset:
    """Any table of OpenML: the rows of one class are normal, those of all others are the anomalies.

    Columns of categories are one-hot groups, with a category `(missing)` where there are gaps.
    Normal rows are split in 60 % training, 20 % validation and 20 % test; all others go to the test
    split, and their class is the kind of the anomaly. Encoding and scale come from the training
    split: values elsewhere may lie outside of [0, 1], and a category that it does not hold is
    `(other)`. A column of numbers that is constant there is scaled by other rows, and named in a
    `TableWarning`.

    Parameters
    ----------
    table, id
        OpenML's name or number of the table, one of them. Its page names the licence.
    version
        Of the table of this name.
    target
        The column of classes; OpenML's own target if left out.
    normal
        The class of normal rows; the most frequent one if left out. 1 and 1.0 are the same class of
        numbers.
    drop
        Columns to leave out.
    gaps
        What to do with missing numbers: refuse the table, or put in the mean of the training split.
    autoencoder
        The autoencoder to train, a name with brackets.
    seed
        Of the split.

    Raises
    ------
    RequestError
        If it has not been fetched: says how. If a column, a class or the table does not exist, or
        cannot be encoded.

    References
    ----------
    Vanschoren et al. 2013, "OpenML: networked science in machine learning"; through
    `sklearn.datasets.fetch_openml`.
    """
    columns, own = _openml_table(table, id, version)
    chosen = target if target is not None else own
    if not chosen:
        raise RequestError(
            "openml: the table names no target, or several: write target=COLUMN, of "
            f"{list(columns)}"
        )
    for column in [chosen, *drop]:
        if column not in columns:
            raise unknown("column", column, columns)
    classes = columns.pop(chosen).astype(np.str_)
    names, counts = np.unique(classes, return_counts=True)
    usual = str(names[counts.argmax()]) if normal is None else _class(normal, names.tolist())
    kept = [Column(title, values) for title, values in columns.items() if title not in drop]
    return dataset_of(kept, classes, usual, autoencoder=autoencoder, seed=seed, fill=gaps == "mean")


def _class(wanted: str | float, names: list[str]) -> str:
    """Return the class of this very name, or the one that means the same; RequestError where there
    is none.
    """
    same = [name for name in names if name == str(wanted)] or [
        name for name in names if _alike(str(wanted), name)
    ]
    if len(same) != 1:
        raise unknown("class", wanted, names[:50])
    return same[0]


def _alike(one: str, other: str) -> bool:
    """Whether two texts are the same number, or the same truth value: `True` and `true`."""
    try:
        return float(one) == float(other)
    except ValueError:
        return one.lower() == other.lower() in ("true", "false")


def _openml_table(
    table: str | None, id: int | None, version: int
) -> tuple[dict[str, NDArray[Any]], str]:
    """Return a table's columns, numbers and texts, and the name of its target; fetch it during
    `aexbench data get`.
    """
    if (table is None) == (id is None):
        raise RequestError("openml needs table=NAME or id=NUMBER, one of them")
    again = specs.write(
        "openml", {"table": table, "version": version} if id is None else {"id": id}
    )
    readable = re.sub(r"[^A-Za-z0-9.=-]", "_", again)[:100]
    path = (
        Path("openml") / "tables" / f"{readable}-{value_digest(again)[:16]}.npz"
    )  # one file for each request
    path = cache_home(path, "the table", again) / path
    if may_fetch():
        _save_openml(
            path, again, {"name": table, "version": version} if id is None else {"data_id": id}
        )
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = arrays["names"].tolist()
            return {name: arrays[f"column-{i}"] for i, name in enumerate(names)}, str(
                arrays["target"]
            )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise RequestError(
            f"{path} cannot be read ({error}): delete it, and aexbench data get '{again}'"
        ) from None


def _save_openml(path: Path, again: str, request: dict[str, Any]) -> None:
    """Fetch a table and keep it as arrays: scikit-learn's own cache fetches anew by itself when
    something is amiss.
    """
    from sklearn.datasets import fetch_openml

    with network(again):
        data = fetch_openml(**request, as_frame=True, cache=False)
    targets = [str(name) for name in data.target_names or []]
    arrays = {
        f"column-{i}": _plain_column(data.frame.iloc[:, i]) for i in range(data.frame.shape[1])
    }
    arrays["names"] = np.array([str(name) for name in data.frame.columns], dtype=np.str_)
    arrays["target"] = np.array(targets[0] if len(targets) == 1 else "")
    arrays["licence"] = np.array(str(data.details.get("licence", "")))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    files.make_folder(path.parent)
    files.write_bytes(path, buffer.getvalue())


def _plain_column(values: pd.Series[Any]) -> NDArray[Any]:
    """Return a column as numbers where it holds numbers, else as texts, `(missing)` where there is
    none.
    """
    import pandas as pd

    if pd.api.types.is_numeric_dtype(values.dtype):
        return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))
    return np.asarray(values.astype(object).where(values.notna(), "(missing)"), dtype=np.str_)
