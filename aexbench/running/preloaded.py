"""What every worker has imported before it starts: the server that workers are forked from imports
this module. What is imported by then stays out of later collections of garbage.
"""

from __future__ import annotations

import gc
import importlib
import warnings

from aexbench.running.stopping import ignore

COMMON = ("pandas", "sklearn.datasets", "sklearn.metrics")  # what most workers come to import

ignore()  # what is sent to all processes of a run is for its coordinator
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the coordinator has warned of broken plugins already
    from aexbench.families import FAMILIES
    from aexbench.running import execution as execution

    for family in FAMILIES.values():
        family.load()
    for module in COMMON:
        importlib.import_module(module)
gc.collect()
gc.freeze()
