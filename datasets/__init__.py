"""Data sets: splits, features, and the truth where there is one. One file per source.

>>> from aexbench import datasets
>>> "digits" in datasets.names()
True
"""

from aexbench.families import datasets as _family

names, describe, register, create = (
    _family.names,
    _family.describe,
    _family.register,
    _family.create,
)

__all__ = ["create", "describe", "names", "register"]
