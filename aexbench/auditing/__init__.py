"""Auditing: which explainer to trust on a detector and data that somebody has, or why nobody can
say.

`worth` looks at the detector, `trying` runs the matrix within a budget, `evidence` gathers what it
shows, `answer` decides, and `words` says it; `page` is the same for a browser.
"""

from __future__ import annotations

from aexbench.auditing.auditing import audit
from aexbench.auditing.report import Audit

__all__ = ["Audit", "audit"]
