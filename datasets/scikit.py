"""Real data sets that come with scikit-learn: nothing is downloaded.

One file for a family of near-identical names.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from aexbench import Dataset
from aexbench.datasets import register
from aexbench.datasets.tools.embedding import Coding
from aexbench.datasets.tools.splits import split
from aexbench.declarations import Later


@register("breast-cancer", version=1, images=False, licence="CC BY 4.0")
def breast_cancer(
    *,
    encoding: Annotated[Literal["scalar", "embedding"], Later("scalar")] = "scalar",
    coding: Coding = Coding(),  # noqa: B008
    seed: Annotated[int, Ge(0)] = 0,
) -> Dataset:
    """Breast Cancer Wisconsin (diagnostic): 30 measurements of cell nuclei; malignant cases are the
    anomalies.

    Parameters
    ----------
    encoding
        `scalar`: a measurement is a column. `embedding`: `columns` dense ones for each, sines of
        its rank among the training rows, see `aexbench.datasets.tools.embedding`.
    coding
        Of embedded features.
    seed
        Of the split.

    References
    ----------
    Street, Wolberg and Mangasarian, 1993; UCI Machine Learning Repository (CC BY 4.0).
    """
    from sklearn.datasets import load_breast_cancer

    coding.check(encoding)

    data = load_breast_cancer()
    made = split(
        data.data,
        data.feature_names,
        data.target == 0,
        seed=seed,
        autoencoder="mlp[widths=[24, 10]]",
    )
    return coding.embedded(made) if encoding == "embedding" else made


@register("wine", version=1, images=False, licence="CC BY 4.0")
def wine(*, seed: Annotated[int, Ge(0)] = 0) -> Dataset:
    """Wine recognition: 13 chemical measurements; the wines of the first cultivar are the
    anomalies.

    Parameters
    ----------
    seed
        Of the split.

    References
    ----------
    Aeberhard and Forina, 1991; UCI Machine Learning Repository (CC BY 4.0).
    """
    from sklearn.datasets import load_wine

    data = load_wine()
    return split(
        data.data,
        data.feature_names,
        data.target == 0,
        seed=seed,
        autoencoder="mlp[widths=[12, 5]]",
    )


@register("digits", version=1, images=False, licence="CC BY 4.0")
def digits(
    *, anomaly: Annotated[int, Ge(0), Le(9)] = 8, seed: Annotated[int, Ge(0)] = 0
) -> Dataset:
    """Optical recognition of handwritten digits: 8 × 8 grey values as 64 features; one digit is the
    anomaly.

    Parameters
    ----------
    anomaly
        The digit that the autoencoder never sees in training, 0 to 9.
    seed
        Of the split.

    References
    ----------
    Alpaydin and Kaynak, 1998; UCI Machine Learning Repository (CC BY 4.0).
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    anomalous: NDArray[np.bool_] = data.target == anomaly
    autoencoder = "mlp[widths=[48, 20]]"
    return split(
        data.data, data.feature_names, anomalous, seed=seed, autoencoder=autoencoder, one_scale=True
    )
