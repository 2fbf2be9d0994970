"""Shapley values of a detector, by regression over coalitions and by random orders, on torch.

Over a whole background at once: `coalitions.py` draws coalitions and factorises the regression,
`values.py` asks the detector in chunks what they are worth, `regression.py` puts both together;
`batched.py` and `per_feature.py` are its explainers.

With one row of the background at a time: `normal.py` draws rows, `games.py` asks about pairs of
opposite coalitions, `answers.py` goes on until the standard errors are small enough;
`permutation.py` and `twin.py` are its explainers.

`players.py` says who takes part in both.

`sampling.py`, by random orders from one baseline, needs none of these.
"""

from aexbench.explainers.shapley.batched import KernelShapBatched
from aexbench.explainers.shapley.per_feature import PerFeatureShap
from aexbench.explainers.shapley.permutation import ShapleyPermutation
from aexbench.explainers.shapley.sampling import ShapleySampling
from aexbench.explainers.shapley.twin import ShapleyTwin

__all__ = [
    "KernelShapBatched",
    "PerFeatureShap",
    "ShapleyPermutation",
    "ShapleySampling",
    "ShapleyTwin",
]
