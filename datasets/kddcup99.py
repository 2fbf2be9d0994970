"""KDD Cup 1999, a table that scikit-learn fetches. Only `aexbench data get` downloads it.

It lies in the data folder as a pickle, which scikit-learn writes on this machine from a text file
whose checksum it knows, and reads again: a stranger's file does not get there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from aexbench import Dataset
from aexbench.datasets import register
from aexbench.datasets.tools.columns import Column, dataset_of
from aexbench.datasets.tools.fetched import cache_home, network
from aexbench.fetching.downloads import Download, may_fetch

HEAVY_TAILS = r"duration|\w+_bytes|hot|num_\w+|count|srv_count"  # of the columns of KDD Cup 1999


@register(
    "kddcup99",
    version=3,
    images=False,
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
    home = cache_home(cache, "kddcup99", again)
    with network(again):
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
    return dataset_of(
        [_kdd_column(name, values) for name, values in columns.items()],
        kinds,
        "normal",
        logarithmic,
        autoencoder=autoencoder or ("mlp[widths=[8, 2]]" if subset in ("http", "smtp") else "mlp"),
        seed=seed,
    )


def _kdd_column(name: str, values: NDArray[Any]) -> Column:
    if isinstance(values[0], bytes):
        return Column(name, np.array([value.decode() for value in values]))
    return Column(name, values.astype(np.float64))
