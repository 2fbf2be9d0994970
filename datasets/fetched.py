"""Tables that scikit-learn fetches: KDD Cup 1999, and any table of OpenML. Only `aexbench data get`
downloads them.

What they fetch lies in the data folder. KDD Cup 1999 is a pickle there, which scikit-learn writes
on this machine from a text file whose checksum it knows, and reads again: a stranger's file does
not get there. Tables of OpenML are NPZ.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from aexbench import Dataset, Features, RequestError, files, specs
from aexbench.datasets import register
from aexbench.datasets.tools.splits import row_numbers
from aexbench.digests import value_digest
from aexbench.errors import plain, unknown
from aexbench.fetching.downloads import Download, DownloadError, may_fetch
from aexbench.fetching.local_data import data_folder, places

if TYPE_CHECKING:
    import pandas as pd

MOST_CATEGORIES = 200  # of a column; more are names or texts, of which one-hot columns say nothing
HEAVY_TAILS = r"duration|\w+_bytes|hot|num_\w+|count|srv_count"  # of the columns of KDD Cup 1999


@register(
    "kddcup99",
    licence="CC BY 4.0",
    download=Download(  # of the tenth, about; the whole has 18 MB
        size=2_100_000,
        folders=["kddcup99_10-py3"],
        contains="samples",
        page="https://archive.ics.uci.edu/dataset/130/kdd+cup+1999+data",
    ),
)
def kddcup99(
    *,
    subset: Literal["all", "SA", "SF", "http", "smtp"] = "SA",
    percent10: bool = True,
    autoencoder: str | None = None,
    seed: Annotated[int, Ge(0)] = 0,
) -> Dataset:
    """KDD Cup 1999: connections in a simulated network, with labelled attacks as anomalies.

    Protocol, service and flag are one-hot groups; durations, bytes and counts with a heavy tail are
    taken as their logarithm, log(1 + value). Normal connections are split in 60 % training, 20 %
    validation and 20 % test; attacks all go to the test split, and the attack's name is the kind of
    the anomaly. Encoding and scale come from the training split: values elsewhere may lie outside
    of [0, 1], and a category that it does not hold is `(other)`.

    Parameters
    ----------
    subset
        As scikit-learn defines them: `SA`, all normal connections and 3,377 attacks drawn at
        random; `SF`, connections that logged in, by duration, service and bytes; `http` and `smtp`,
        those of one service, without it; or `all`.
    percent10
        Whether to take the publishers' tenth (494,021 connections) or all 4,898,431.
    autoencoder
        The autoencoder to train, a name with brackets; if left out, `mlp`, with fewer units for
        `http` and `smtp`.
    seed
        Of the attacks drawn and of the split.

    Raises
    ------
    RequestError
        If it has not been fetched: says how.

    References
    ----------
    Stolfo et al. 1999; UCI Machine Learning Repository (CC BY 4.0), through
    `sklearn.datasets.fetch_kddcup99`. Its attacks repeat, and normal connections do too: many test
    rows equal training rows.
    """
    from sklearn.datasets import fetch_kddcup99

    cache = Path("kddcup99_10-py3" if percent10 else "kddcup99-py3") / "samples"
    again = "kddcup99" if percent10 else "kddcup99[percent10=false]"
    home = _home(cache, "kddcup99", again)
    with _network(again):
        data = fetch_kddcup99(
            subset=None if subset == "all" else subset,
            percent10=percent10,
            data_home=str(home),
            random_state=seed,
            download_if_missing=may_fetch(),
        )
    kinds = np.array([label.decode().rstrip(".") for label in data.target])
    columns = {name: data.data[:, position] for position, name in enumerate(data.feature_names)}
    logarithmic = HEAVY_TAILS if subset in ("all", "SA") else ""  # of the others it has been taken
    return _dataset(
        [_kdd_column(name, values) for name, values in columns.items()],
        kinds,
        "normal",
        logarithmic,
        autoencoder=autoencoder or ("mlp[widths=[8, 2]]" if subset in ("http", "smtp") else "mlp"),
        seed=seed,
    )


def _kdd_column(name: str, values: NDArray[Any]) -> _Column:
    if isinstance(values[0], bytes):
        return _Column(name, np.array([value.decode() for value in values]))
    return _Column(name, values.astype(np.float64))


@register(
    "openml",
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
    `(other)`.

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
    kept = [_Column(title, values) for title, values in columns.items() if title not in drop]
    return _dataset(kept, classes, usual, autoencoder=autoencoder, seed=seed, fill=gaps == "mean")


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
    path = _home(path, "the table", again) / path
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

    with _network(again):
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


def _home(cache: Path, name: str, again: str) -> Path:
    """Return the place that holds a cache, or where it is to be; RequestError if it must not be
    fetched now.
    """
    if may_fetch():
        return files.make_folder(data_folder())
    for place in places():
        if (place / cache).exists():
            return place
    raise RequestError(f"{name} is not here: fetch it with  aexbench data get '{again}'")


@contextmanager
def _network(again: str) -> Iterator[None]:
    """Make one line of what scikit-learn's fetchers raise and warn of."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of retries, and of what later versions of it will do
            yield
    except OSError as error:
        reason = plain(str(getattr(error, "reason", "") or error)) or type(error).__name__
        if may_fetch():
            raise DownloadError(
                f"scikit-learn could not fetch it: {reason}. The same command tries again"
            ) from None
        raise RequestError(f"{again} cannot be read: {reason}") from None
    except (KeyError, ValueError) as error:  # a name or a column that OpenML does not know
        raise RequestError(
            f"{again}: {plain(str(error.args[0] if error.args else error))}"
        ) from None


class _Column(NamedTuple):
    name: str
    values: NDArray[Any]


def _dataset(
    columns: Sequence[_Column],
    kinds: NDArray[np.str_],
    normal: str,
    logarithmic: str = "",
    *,
    autoencoder: str,
    seed: int,
    fill: bool = False,
) -> Dataset:
    """Return the Dataset of columns of numbers and texts, encoded and scaled by the training split
    alone.
    """
    labels = kinds != normal
    train, validation, test = row_numbers(labels, seed)
    blocks = [
        _one_hot(column, train)
        if column.values.dtype.kind == "U"
        else _number(column, train, re.fullmatch(logarithmic, column.name) is not None, fill)
        for column in columns
    ]
    groups = tuple(group for group, (_, names) in enumerate(blocks) for _ in names)
    names = tuple(name for _, block_names in blocks for name in block_names)
    table = np.concatenate([block for block, _ in blocks], axis=1)
    features = Features(names=names, groups=groups if len(blocks) < len(names) else None)
    return Dataset(
        table[train],
        table[validation],
        table[test],
        features,
        labels[test],
        autoencoder=autoencoder,
        test_kinds=kinds[test],
    )


def _number(
    column: _Column, train: NDArray[np.int64], logarithmic: bool, fill: bool
) -> tuple[NDArray[np.float32], list[str]]:
    """Return a column of numbers, scaled by the training split to [0, 1]; 0 where
    that is constant.
    """
    values = np.log1p(column.values) if logarithmic else column.values
    missing = ~np.isfinite(values)
    if missing.any():
        if not fill or missing[train].all():
            count = int(missing.sum())
            raise RequestError(
                f"column {column.name!r} has {count} gaps: write gaps=mean, or drop=[{column.name}]"
            )
        values = np.where(missing, values[train][~missing[train]].mean(), values)
    low = values[train].min()
    spread = values[train].max() - low
    return ((values - low) / (spread or 1.0)).astype(np.float32)[:, None], [column.name]


def _one_hot(column: _Column, train: NDArray[np.int64]) -> tuple[NDArray[np.float32], list[str]]:
    """Return a column of 0 and 1 for each text in the training split, and one for all others."""
    known = np.unique(column.values[train])
    if len(known) > MOST_CATEGORIES:
        raise RequestError(
            f"column {column.name!r} holds {len(known)} different texts: drop=[{column.name}]"
        )
    position = np.minimum(np.searchsorted(known, column.values), len(known) - 1)
    position = np.where(known[position] == column.values, position, len(known))
    made = np.zeros((len(column.values), len(known) + 1), dtype=np.float32)
    made[np.arange(len(made)), position] = 1.0
    return made, [f"{column.name}={text}" for text in [*known.tolist(), "(other)"]]
