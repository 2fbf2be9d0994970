"""Corruptions: anomalies with a known cause, made out of clean samples. One file per kind.

>>> from aexbench import corruptions
>>> "adversarial" in corruptions.names()
True
"""

from aexbench.families import corruptions as _family

names, describe, register, create = (
    _family.names,
    _family.describe,
    _family.register,
    _family.create,
)

__all__ = ["create", "describe", "names", "register"]
