"""Autoencoders that detectors are trained from: a family like the others, so that suites can name
them.

One architecture a file: a function from the shape of one sample to a module at its initial weights.
A module may have a method `penalty()` that returns what is added to the loss of its last forward
pass, per sample and column. `fitting.py` trains them, `training.py` keeps what was trained.
"""

from aexbench.families import autoencoders as _family

names, describe, register, create = (
    _family.names,
    _family.describe,
    _family.register,
    _family.create,
)

__all__ = ["create", "describe", "names", "register"]
