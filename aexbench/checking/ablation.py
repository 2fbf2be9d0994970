"""Whether an explainer's map asks for the error, and for the detector: what one should declare that
does not, so that it is not measured against itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from aexbench.checking.remarks import Remark
from aexbench.components import Component
from aexbench.running.controls import ABLATED, Control, controlled

if TYPE_CHECKING:
    from aexbench.checking.grounds import Ground

OWN = "its map is the same where the error map is a constant: its loss-ablated form is no floor"
NONE = "its map is the same whatever the detector has learned: it is a floor"


def undeclared(made: Component, ground: Ground) -> list[Remark]:
    """Return a remark on an explainer whose loss-ablated form, or untrained twin, is itself though
    it declares nothing.

    Examples
    --------
    >>> from aexbench.checking import grounds
    >>> from aexbench.running.planning import explainer
    >>> undeclared(explainer("residual"), grounds.rows())
    []
    """
    declared = made.plugin.declaration
    if declared.floor or declared.own_error:
        return []
    own = _map(made, ground, "none")
    if not torch.equal(own, _map(made, ground, ABLATED)) or not (own != own.flatten()[0]).any():
        return []
    if torch.equal(own, _map(made, ground, "permuted")):
        return [Remark(NONE, f'register("{made.name}", …, floor=True)')]
    return [Remark(OWN, f'register("{made.name}", …, own_error=True)')]


def _map(made: Component, ground: Ground, control: Control) -> torch.Tensor:
    """Return what an explainer says of a ground's anomalies, on its detector or on a control."""
    detector = controlled(ground.detector, control, seed=0)
    explained: torch.Tensor = made.make(detector, background=ground.data.train).explain(
        ground.anomalies
    )
    return explained
