"""Explanations for people: why a detector finds a sample anomalous, and how sure that answer is.

`making` walks the road: `choice` says which explainer answers, `asking` asks it and the shortlist,
`views` says what a person sees of a sample, in the user's units. What comes out, `parts`, is shown
by `sentences`, `tables`, `records` and `pictures`.
"""

from __future__ import annotations

from aexbench.explaining.making import explain
from aexbench.explaining.parts import Explanation, Explanations

__all__ = ["Explanation", "Explanations", "explain"]
