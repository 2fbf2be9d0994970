"""Shapley values of a detector by regression over coalitions, on torch.

`coalitions.py` draws coalitions and factorises the regression, `values.py` asks the detector in
chunks what they are worth, `regression.py` puts both together; `batched.py` and `per_feature.py`
are the explainers.
"""

from aexbench.explainers.shapley.batched import KernelShapBatched
from aexbench.explainers.shapley.per_feature import PerFeatureShap

__all__ = ["KernelShapBatched", "PerFeatureShap"]
