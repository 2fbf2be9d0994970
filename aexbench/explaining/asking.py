"""Explainers are asked: the one that answers once for each draw, those of the shortlist once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aexbench.components import Component, of_plugin
from aexbench.detector import Detector
from aexbench.errors import RequestError, SkipError, line, plain
from aexbench.explaining.describing import Seen
from aexbench.explaining.parts import Vote
from aexbench.explaining.views import Floats, View
from aexbench.rows import Rows


@dataclass(frozen=True)
class Asked:
    """What explainers are asked about.

    Attributes
    ----------
    detector
        Whose errors are explained.
    view
        How samples are seen.
    x : (N, …)
        The samples.
    normal : (B, …) or None
        Normal samples.
    """

    detector: Detector
    view: View
    x: torch.Tensor
    normal: Rows | None

    def attributions(self, explainer: Any) -> NDArray[Any]:
        """Return an explainer's attributions (N, …)."""
        return _array(explainer.explain(self.x))

    def made(self, one: Component) -> Any:
        """Return an explainer of this detector; it is offered the normal samples, if there are
        any.
        """
        offered = {} if self.normal is None else {"background": self.normal}
        return one.make(self.detector, **offered)

    @property
    def seen(self) -> Seen:
        """The samples as the detector sees them."""
        x_hat, error_map = self.detector.reconstruct(self.x), self.detector.error_map(self.x)
        return Seen(_array(self.x), _array(x_hat), _array(error_map))


@dataclass(frozen=True)
class Answers:
    """What an explainer has answered.

    Attributes
    ----------
    draws : (D, N, …)
        Attributions, one draw for each seed; one where nothing is drawn.
    standard_error : (N, …) or None
        Of each attribution, where the explainer tells it.
    random
        Whether another seed may give another answer.
    """

    draws: NDArray[Any]
    standard_error: NDArray[Any] | None
    random: bool = False

    @property
    def attributions(self) -> NDArray[Any]:
        """The mean of the draws (N, …)."""
        return np.asarray(self.draws.mean(axis=0))


def answers(chosen: Component, asked: Asked, draws: int) -> Answers:
    """Return an explainer's answers on the samples.

    One that has a parameter `seed` is asked with `draws` seeds, from its own on; one that tells a
    standard error, or has no seed, once.
    """
    made = asked.made(chosen)
    first = asked.attributions(made)
    tell = getattr(made, "standard_error", None)
    if tell is not None:
        return Answers(first[None], _array(tell(_as_taken(asked))))
    if "seed" not in chosen.arguments:
        return Answers(first[None], None)
    others = [asked.made(_seeded(chosen, number)) for number in range(1, draws)]
    return Answers(np.stack([first, *map(asked.attributions, others)]), None, random=True)


def _as_taken(asked: Asked) -> torch.Tensor:
    """Return the samples on the detector's device, of its type: no door stands before them."""
    return asked.x.to(asked.detector.device, asked.detector.dtype)


def _seeded(chosen: Component, number: int) -> Component:
    """Return an explainer with the seed that is so many after its own."""
    seed = chosen.arguments["seed"] + number
    return of_plugin(chosen.plugin, {**chosen.arguments, "seed": seed})


def _array(values: torch.Tensor) -> NDArray[Any]:
    return np.asarray(values.detach().double().cpu().numpy())


def votes(shortlist: Sequence[Component], asked: Asked) -> list[list[Vote]]:
    """Return for each sample what each explainer of the shortlist names first.

    One that cannot run says why: whatever it raises stops no other.
    """
    found = [_votes(one, asked) for one in shortlist]
    return [[votes[place] for votes in found] for place in range(len(asked.x))]


def _votes(one: Component, asked: Asked) -> list[Vote]:
    try:
        found = asked.view.sums(asked.attributions(asked.made(one)))
    except Exception as error:  # a result, as in the cells of a run
        known = isinstance(error, SkipError | RequestError)
        return [Vote(one.text, (), plain(str(error) if known else line(error)))] * len(asked.x)
    return [Vote(one.text, named(row, asked.view.names)) for row in found]


def named(attributions: Floats, names: Sequence[str]) -> tuple[str, ...]:
    """Return the features (G,) with the highest attribution, none where all are equal.

    >>> named(np.array([1.0, 3.0, 3.0]), "abc"), named(np.zeros(2), "ab")
    (('b', 'c'), ())
    """
    highest = np.flatnonzero(attributions == attributions.max())
    if len(highest) == len(names) > 1:
        return ()
    return tuple(names[number] for number in highest.tolist())
