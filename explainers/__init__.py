"""Explainers: which columns are responsible for the reconstruction error? One file per method.

>>> from aexbench import explainers
>>> "residual" in explainers.names()
True
"""

from aexbench.families import explainers as _family

names, describe, register, create = (
    _family.names,
    _family.describe,
    _family.register,
    _family.create,
)

__all__ = ["create", "describe", "names", "register"]
