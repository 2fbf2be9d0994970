"""Shapley values of a detector, by regression over coalitions and by random orders, on torch.

`coalitions.py` draws coalitions and factorises the regression, `values.py` asks the detector in
chunks what they are worth, `regression.py` puts both together; `batched.py` and `per_feature.py`
are its explainers. `sampling.py`, by random orders, needs none of these.
"""

from aexbench.explainers.shapley.batched import KernelShapBatched
from aexbench.explainers.shapley.per_feature import PerFeatureShap
from aexbench.explainers.shapley.sampling import ShapleySampling

__all__ = ["KernelShapBatched", "PerFeatureShap", "ShapleySampling"]
