"""Does what a plugin file registers keep its contract? What `aexbench check` calls.

`grounds.py` holds what components are tried on, `trying.py` tries them, `mending.py` knows the line
that mends a broken rule, and `remarks.py` says what else an author may want to know; `ablation.py`
what an explainer should declare of itself.
"""

from aexbench.checking.mending import grouped, mend
from aexbench.checking.remarks import Remark, remarks
from aexbench.checking.trying import Report, tried

__all__ = ["Remark", "Report", "grouped", "mend", "remarks", "tried"]
