"""Metrics: how well do attributions point at the truth? Pure functions of arrays, one file each.

>>> from aexbench import metrics
>>> "recall" in metrics.names()
True
"""

from aexbench.families import metrics as _family

names, describe, register, create = (
    _family.names,
    _family.describe,
    _family.register,
    _family.create,
)

__all__ = ["create", "describe", "names", "register"]
