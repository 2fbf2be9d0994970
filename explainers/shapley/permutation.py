"""Shapley values by permutations in pairs: every order is walked there and back, each time from
another row of the background.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt
from numpy.typing import ArrayLike

from aexbench import Detector, SkipError
from aexbench.explainers import register
from aexbench.explainers.shapley.answers import Sampled
from aexbench.explainers.shapley.errors import standard_error
from aexbench.explainers.shapley.games import Games, Pairs
from aexbench.explainers.shapley.normal import Background
from aexbench.explainers.tools.segments import Players, Segments


@register("shapley-permutation", version=2)
class ShapleyPermutation(Sampled):
    """Shapley values of e(x) over a background, by random orders and their reverses.

    In an order π features take x's values one by one, in its reverse they take them from the other
    end; S_p is who has come after p steps of π. With one row b of the background for both walks and
    D(S) = e(x_S, b_S̄) − e(x_S̄, b_S), the feature at place p gains

        g = ½ (D(S_{p+1}) − D(S_p)) ,   D(S_0) = e(b) − e(x) .

    Rows are drawn from the whole background, each as often as any other. A sample's gains sum to
    Δ_b = e(x) − e(b), whose mean is known: by what the drawn rows are above it features are
    lowered, in the measure of what they gain in other orders, so that Shapley values sum to
    e(x) − mean e(b) and a feature that never matters gets 0. That ties the levels of features to
    those that were drawn: a bias, of which 200 seeds show nothing. Features like the whole
    background take no part. Where asking about all coalitions costs no more, the values are exact.

    Parameters
    ----------
    detector
        Whose error is explained. The columns of a feature group come together and take equal
        shares.
    background : (B, …)
        Normal samples, the training split.
    nsamples
        Forward rows a sample, those of the background not counted: 2 (M − 1) for each order of M
        features and its reverse, as many as there is room for, and one for the sample.
    rows
        Of the background, a seeded sample; where it is left out all of it, 100,000 at most.
    tolerance
        Draw `nsamples` rows anew until the largest standard error of a sample's features is not
        above it, in units of the error; 1000 times at most.
    segments, count
        Of images: see `aexbench.explainers.tools.segments`.
    seed
        Of the draws, along with each sample's content.
    loss
        The detector's own where it is left out.

    Raises
    ------
    SkipError
        If `nsamples` has no room for three orders and their reverses.

    References
    ----------
    Castro, Gómez and Tejada 2009, "Polynomial calculation of the Shapley value based on sampling";
    Mitchell, Cooper, Frank and Holmes 2022, "Sampling Permutations for Shapley Value Estimation",
    Sec. 4.1: antithetic sampling.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        background: ArrayLike,
        nsamples: Annotated[int, Ge(1)] = 3000,
        rows: Annotated[int, Ge(1)] | None = None,
        tolerance: Annotated[float, Gt(0)] | None = None,
        segments: Segments = Players(),
        seed: Annotated[int, Ge(0)] = 0,
        loss: Literal["l1", "l2"] | None = None,
    ) -> None:
        own = detector.with_loss(loss)
        normal = Background.of(own, background, rows, seed)
        super().__init__(own, normal, nsamples, tolerance, segments, seed)

    def estimate(self, games: Games) -> tuple[torch.Tensor, torch.Tensor]:
        """Return Shapley values (n, P) and their standard errors."""
        players = games.players
        orders = (self.nsamples - 1) // (2 * (players - 1))
        if orders < 3:
            raise SkipError(
                f"shapley-permutation: nsamples={self.nsamples} has no room for three orders of "
                f"{players} features and their reverses, {6 * (players - 1) + 1} rows"
            )
        place = games.drawn(lambda g: g.random((orders, players)).argsort(axis=1))
        rows = games.drawn(lambda g: games.background.draws(g, orders))
        gain = games.gain
        return levelled(_gains(games, place, rows, gain.gather(1, rows)), rows, gain)


def _gains(
    games: Games, place: torch.Tensor, rows: torch.Tensor, gain: torch.Tensor
) -> torch.Tensor:
    """Return what each feature gains (n, K, P) at its place in K orders and their reverses."""
    steps = torch.arange(1, games.players, device=place.device)
    come = place[:, :, None] < steps[:, None]
    pairs = Pairs(games, come.flatten(1, 2), rows.repeat_interleave(len(steps), dim=1))
    walked = pairs.differences().view(*rows.shape, -1)
    whole = torch.cat([-gain[..., None], walked, gain[..., None]], dim=2)
    return whole.diff(dim=2).gather(2, place) / 2


def levelled(
    gains: torch.Tensor, rows: torch.Tensor, gain: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return means of gains (n, K, P) that sum to the mean of Δ_b over all rows (n, B), and their
    standard errors.

    What Δ_b of an order's row lacks of that mean is added in proportion to |g| in the other orders:
    its own gains would draw the shares their way.
    """
    size = gains.abs()
    others = size.sum(dim=1, keepdim=True) - size
    share = (others / others.sum(dim=2, keepdim=True)).nan_to_num(1 / gains.shape[2])
    missed = gain.mean(dim=1, keepdim=True) - gain.gather(1, rows)
    level = gains + missed[..., None] * share
    values = level.mean(dim=1)
    scores = (level - values[:, None]) / (gains.shape[1] - 1)
    return values, standard_error(scores, rows, gain.shape[1])
