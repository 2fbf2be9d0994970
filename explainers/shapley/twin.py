"""Shapley values from pairs of coalitions, each with one row of the background, and from a twin of
the network whose own Shapley values are known.
"""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

import torch
from annotated_types import Ge, Gt
from numpy.typing import ArrayLike

from aexbench import Detector, SkipError
from aexbench.explainers import register
from aexbench.explainers.shapley import leverage
from aexbench.explainers.shapley.answers import Sampled
from aexbench.explainers.shapley.errors import standard_error
from aexbench.explainers.shapley.games import Games, Pairs
from aexbench.explainers.shapley.leverage import Fit
from aexbench.explainers.shapley.linear_twin import LinearTwin
from aexbench.explainers.shapley.mask_twin import MaskTwin
from aexbench.explainers.shapley.normal import Background
from aexbench.explainers.shapley.quadratic_twin import QuadraticTwin
from aexbench.explainers.tools.baselines import ROWS as BACKGROUND
from aexbench.explainers.tools.segments import Players, Segments, is_image

MOST_COLUMNS = 512  # of a table whose rows a linear twin sees
MOST_SQUARED = 64  # a quadratic one


class Twin(Protocol):
    """Twins of a network around samples: one for each fold of pairs and each of L ridges."""

    def see(
        self, samples: torch.Tensor, part: torch.Tensor, rows: torch.Tensor, x_hat: torch.Tensor
    ) -> None:
        """Learn from rows (n', k, 2, M) of some samples and pairs, and their reconstructions."""
        ...

    def said(self) -> torch.Tensor:
        """Return q(r) − q(r̄) − s̄ (q(x) − q(b)) of each pair (n, 2, K/2, L): in both folds by the
        twins of the other one.
        """
        ...

    def shapley(self, ridge: torch.Tensor) -> torch.Tensor:
        """Return the Shapley values of q over the background, (n, 2, P), of the twins of the ridges
        (n, 2) that speak of each fold.
        """
        ...


@register("shapley-twin", version=1)
class ShapleyTwin(Sampled):
    """Shapley values of e(x) over a background, by pairs of coalitions and a twin of the network.

    A pair asks about a coalition S and its complement with one row b of the background,
    D = e(x_S, b_S̄) − e(x_S̄, b_S); one row for each pair tells the most, at equal cost. Sizes of S
    come equally often and are weighted as in KernelSHAP. A ridge regression of the *network* on the
    rows makes a twin, linear or quadratic in them, whose error has Shapley values in closed form:
    the twin's D is taken off, its Shapley values are added. Twins are fitted on half of the pairs
    and speak of the other half; which ridge, and how much of the twin, is decided where the other
    half was spoken of. What is left goes through a weighted least squares, whose residuals give
    each Shapley value its standard error (HC3).

    Shapley values sum to e(x) − mean e(b). Rows are drawn from the whole background, each as often
    as any other. Features like the whole background take no part. Where asking about all coalitions
    costs no more, the values are exact. The error of images, and of tables of more than 512
    columns, is controlled by a twin that sees who takes part alone.

    Parameters
    ----------
    detector
        Whose error is explained. The columns of a feature group take part together and take equal
        shares.
    background : (B, …)
        Normal samples, the training split.
    nsamples
        Forward rows a sample, those of the background not counted.
    order
        Of the twin: 1, linear; 2, quadratic, which needs a fifth to a half fewer rows and seven
        times the arithmetic beside them, for networks that take more than 75 µs a row.
    rows
        Of the background, a seeded sample; where it is left out all of it, 100,000 at most, with
        `order=2` 755.
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
        If `order=2` is asked of images, or of more than 64 columns.

    References
    ----------
    Lundberg and Lee 2017, Theorem 2; Covert and Lee 2021, "Improving KernelSHAP", Sec. 3.2: pairs;
    Musco and Witter 2024, "Provably Accurate Shapley Value Estimation via Leverage Score Sampling";
    Witter, Liu and Musco 2025, "Regression-adjusted Monte Carlo Estimators for Shapley Values and
    Probabilistic Values".

    Examples
    --------
    >>> import torch, aexbench
    >>> from aexbench import explainers
    >>> model = torch.nn.Sequential(torch.nn.Linear(9, 4), torch.nn.ReLU(), torch.nn.Linear(4, 9))
    >>> detector, normal, x = aexbench.Detector(model), torch.rand(50, 9), torch.rand(3, 9)
    >>> explainer = explainers.create("shapley-twin", detector, background=normal.numpy())
    >>> shapley, error = explainer.explain(x), explainer.standard_error(x)
    >>> gain = detector.error(x) - detector.error(normal).mean()
    >>> bool(torch.allclose(shapley.sum(1), gain, atol=1e-5)), bool((error > 0).all())
    (True, True)
    """

    def __init__(
        self,
        detector: Detector,
        *,
        background: ArrayLike,
        nsamples: Annotated[int, Ge(9)] = 3000,
        order: Literal[1, 2] = 1,
        rows: Annotated[int, Ge(1)] | None = None,
        tolerance: Annotated[float, Gt(0)] | None = None,
        segments: Segments = Players(),
        seed: Annotated[int, Ge(0)] = 0,
        loss: Literal["l1", "l2"] | None = None,
    ) -> None:
        own = detector.with_loss(loss)
        kept = BACKGROUND if rows is None and order == 2 else rows
        normal = Background.of(own, background, kept, seed)
        super().__init__(own, normal, nsamples, tolerance, segments, seed)
        self.order = order

    def estimate(self, games: Games) -> tuple[torch.Tensor, torch.Tensor]:
        """Return Shapley values (n, P) and their standard errors."""
        count = (self.nsamples - 1) // 4 * 2  # in two folds
        players, background = games.players, games.background
        taking_part = games.drawn(lambda g: leverage.coalitions(g, count, players))
        pairs = Pairs(games, taking_part, games.drawn(lambda g: background.draws(g, count)))
        fit = Fit.of(taking_part)
        twin = self._twin(pairs, fit)
        gain = games.gain
        mean = taking_part.double().mean(dim=2) * 2 - 1
        y = pairs.differences(twin.see) - mean * gain.gather(1, pairs.rows)
        y, exact = without(y, fit, twin)
        beta, scores = fit.solve(y)
        odd = beta + exact - exact.mean(dim=1, keepdim=True)
        values = gain.mean(dim=1, keepdim=True) / players + odd
        return values, standard_error(scores, pairs.rows, gain.shape[1])

    def _twin(self, pairs: Pairs, fit: Fit) -> Twin:
        """Return the twin for these columns: of the rows themselves where they are few."""
        size = pairs.games.column.numel()
        image = is_image(pairs.games.x)
        if self.order == 2 and (image or size > MOST_SQUARED):
            raise SkipError(
                f"shapley-twin: order=2 takes tables of {MOST_SQUARED} columns at most; "
                "take order=1"
            )
        if self.order == 2:
            return QuadraticTwin(pairs)
        if image or size > MOST_COLUMNS:
            return MaskTwin(pairs, fit)
        return LinearTwin(pairs, fit)


def without(y: torch.Tensor, fit: Fit, twin: Twin) -> tuple[torch.Tensor, torch.Tensor]:
    """Return differences of pairs (n, K) less what the best twins say of them, and the Shapley
    values (n, P) that are to be added to what y then leads to.

    Twins are fitted on one half of the pairs and speak of the other, so that no pair is compared
    with itself. Which ridge, and how much γ of its answer, is decided where another half was spoken
    of: a twin of no use is given a γ near 0. Where the folds' twins are worth different Shapley
    values, y is moved to their mean.
    """
    said = twin.said()
    ridge, share = _chosen(y, said, fit)
    exact = share[..., None] * twin.shapley(ridge)
    mean = exact.mean(dim=1)
    told = said.gather(3, ridge[:, :, None, None].expand(*said.shape[:3], 1))[..., 0]
    folds = y.view(told.shape) - share[..., None] * told
    away = fit.away.view(*told.shape, -1)
    moved = folds + torch.einsum("nfkp,nfp->nfk", away, exact - mean[:, None])
    return moved.flatten(1), mean


def _chosen(y: torch.Tensor, said: torch.Tensor, fit: Fit) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the best ridge (n, 2) and its γ for each fold, as the other fold has them."""
    left = fit.left(torch.cat([y[..., None], said.flatten(1, 2)], dim=2))
    error, told = left.view(*said.shape[:3], -1).split([1, said.shape[3]], dim=3)
    weights = fit.weights.view(*said.shape[:3], 1)
    square = (weights * told.square()).sum(dim=2)
    slope = ((weights * error * told).sum(dim=2) / square).nan_to_num(0.0, 0.0, 0.0)
    ridge = (slope.square() * square).argmax(dim=2)
    return ridge.flip(1), slope.gather(2, ridge[..., None])[..., 0].flip(1)
