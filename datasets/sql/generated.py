"""The data set `sql-workload`: generated database activity, encoded, in memory or in shards on
disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from aexbench import Dataset, files
from aexbench.datasets import register
from aexbench.datasets.sql.encoding import Encoder, Encoding
from aexbench.datasets.sql.intrusions import KINDS
from aexbench.datasets.sql.workload import FIT_ROWS, Encoded, Split, Workload, encoded, fitted
from aexbench.datasets.tools.embedding import Coding
from aexbench.datasets.tools.shards import stored
from aexbench.digests import text_digest, value_digest
from aexbench.rows import Named

AUTOENCODER = "mlp[widths=[64, 32, 8],batch_size=128,epochs=50,patience=10]"


@register("sql-workload", version=2, images=False, licence="MIT")
def sql_workload(
    *,
    rows: Annotated[int, Ge(1)] = 20_000,
    validation_rows: Annotated[int, Ge(1)] | None = None,
    test_rows: Annotated[int, Ge(1)] | None = None,
    encoding: Literal["scalar", "groups", "embedding"] = "scalar",
    coding: Coding = Coding(),  # noqa: B008
    intrusions: Annotated[float, Ge(0), Le(0.05)] = 0.01,
    autoencoder: str = AUTOENCODER,
    in_memory_rows: Annotated[int, Ge(0)] = 2_000_000,
    seed: Annotated[int, Ge(0)] = 0,
) -> Dataset:
    """Generated database activity, 21 features of a statement; the test split holds intrusions with
    their causes.

    Users of ten roles work in sessions by their habits: when, from where, with which statements,
    how fast. The intrusions are exfiltration, injection, privilege misuse, off-hours work and
    credential sharing; rows of one session are one unit. The truth is what an intrusion has
    changed: symptom and cause, as nothing else follows from it. It stands in for a log that cannot
    be published, and is not that log.

    Parameters
    ----------
    rows
        Of the training split.
    validation_rows
        Half as many, unless given.
    test_rows
        As many, unless given.
    encoding
        `scalar`: one column per feature. `groups`: one-hot and hashed columns of categories, sine
        and cosine of times. `embedding`: `columns` dense ones per feature, sines of its rank among
        the training rows, see `aexbench.datasets.tools.embedding`.
    coding
        Of embedded features.
    intrusions
        Share of the test rows that belong to intrusions.
    autoencoder
        The autoencoder to train, a name with brackets.
    in_memory_rows
        With more rows than this in all splits, they are written as shards in the user's cache
        folder, once, and read as memory maps: 25 million rows take 2.4 GB there.
    seed
        Of the users, their habits and all that they do.
    """
    coding.check(encoding)
    sizes: dict[Split, int] = {
        "train": rows,
        "validation": validation_rows or max(1, rows // 2),
        "test": test_rows or rows,
    }
    stays = sum(sizes.values()) <= in_memory_rows
    stored_as: Encoding = "groups" if encoding == "groups" else "scalar"
    made = _made(Workload(seed, intrusions), stored_as, sizes, autoencoder, stays)
    return coding.embedded(made) if encoding == "embedding" else made


def _made(
    workload: Workload,
    encoding: Encoding,
    sizes: dict[Split, int],
    autoencoder: str,
    stays: bool,
) -> Dataset:
    """Return the data set as it is kept, in memory or in shards."""
    encoder = fitted(workload, sizes["train"], encoding)
    fitted_rows = min(sizes["train"], FIT_ROWS)
    place = None if stays else _shard_folder(workload, encoding, fitted_rows)
    train, validation, test = (
        _split(workload, encoder, name, sizes[name], place) for name in get_args(Split)
    )
    kinds = Named(test["kind"], KINDS)
    return Dataset(
        train["x"],
        validation["x"],
        test["x"],
        encoder.features,
        np.asarray(test["kind"]) > 0,
        test["truth"],
        autoencoder,
        test_units=test["unit"],
        test_kinds=kinds[:] if place is None else kinds,
        test_truth_kind="both",
    )


def _split(
    workload: Workload, encoder: Encoder, name: Split, count: int, place: Path | None
) -> dict[str, Any]:
    """Return the arrays of a split, in memory or in shards."""

    def make(start: int, stop: int) -> dict[str, NDArray[Any]]:
        return encoded(workload, encoder, name, start, stop)._asdict()

    if place is None:
        return make(0, count)
    return dict(
        stored(
            place / f"{name}-{count}", count, make, Encoded._fields if name == "test" else ("x",)
        )
    )


def _shard_folder(workload: Workload, encoding: str, fitted_rows: int) -> Path:
    """Return the folder for what this code, these users and this encoding make."""
    version = text_digest(sorted(Path(__file__).parent.glob("*.py")))
    key = value_digest([version, workload.seed, workload.intrusions, encoding, fitted_rows])
    return files.cache_folder("sql-workload") / key
