"""How sure the order of a sample's features is: the lead of the first against its spread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aexbench.explaining.parts import Lead
from aexbench.explaining.views import Floats


def lead(
    draws: Floats, error: Floats | None, names: Sequence[str], random: bool = False
) -> Lead | None:
    """Return the lead of the first feature over the second; None where there is one feature only.

    Parameters
    ----------
    draws : (D, G)
        One sample's attributions by feature, of each draw; their mean says which are first.
    error : (G,), optional
        Standard errors as the explainer tells them, taken as independent.
    names : (G,)
        The features.
    random
        Whether the explainer draws at all.
    """
    if len(names) < 2:
        return None
    first, second = np.argsort(-draws.mean(axis=0), kind="stable")[:2]
    gaps = draws[:, first] - draws[:, second]
    same = int((draws.argmax(axis=1) == first).sum())
    told = names[first], names[second], float(gaps.mean())
    if error is not None:
        return Lead(*told, float(np.hypot(error[first], error[second])), "standard error", 1, same)
    if random and len(draws) == 1:
        return Lead(*told, None, "one draw", 1, same)
    if len(draws) == 1 or bool((draws == draws[0]).all()):
        return Lead(*told, None, "nothing", len(draws), same)
    return Lead(*told, float(gaps.std(ddof=1)), "draws", len(draws), same)
