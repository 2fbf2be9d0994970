"""Standard errors of sums whose terms were drawn with rows of the background."""

from __future__ import annotations

import torch

LEAST_AGAIN = 10  # draws of rows drawn before, which tell how a row's scores differ


def standard_error(scores: torch.Tensor, rows: torch.Tensor, count: int) -> torch.Tensor:
    """Return the standard errors (n, P) of sums over k of scores (n, K, P), whose mean is zero.

    A score varies by V_w with the coalition and by V_b with the row; of the latter only that much
    is left in the sum as some rows are drawn more often than others:

        se² = K V_w + V_b Σ_b (K_b − K/B)² ,

    where row b is drawn K_b times. V_w is the variance of scores of the same row; where hardly any
    row is drawn again, all of the variance counts as V_w. And K draws know little of a feature that
    hardly ever changes anything: one more draw, as far off as the average feature's, is counted in.

    Parameters
    ----------
    scores
        What each draw has added to an estimate's error.
    rows : (n, K) int64
        Of the background, 0 … count − 1.
    count
        B, the rows that there are.
    """
    draws = scores.shape[1]
    variance = scores.square().mean(dim=1)
    place = _numbered(rows)
    one = torch.ones_like(rows, dtype=scores.dtype)
    times = torch.zeros_like(one).scatter_add_(1, place, one)
    again = (times - 1).clamp_min(0).sum(dim=1)[:, None]
    within = _squares_within(scores, place, times) / again
    within = torch.where(again < LEAST_AGAIN, variance, torch.minimum(within, variance))
    uneven = times.square().sum(dim=1)[:, None] - draws**2 / count
    square = draws * within + uneven * (variance - within)
    return (square + variance.mean(dim=1, keepdim=True)).sqrt()


def _numbered(rows: torch.Tensor) -> torch.Tensor:
    """Return rows (n, K) by numbers of those that were drawn, from 0: the rest of a background,
    which may be long, costs nothing.

    >>> _numbered(torch.tensor([[70, 5, 70, 9]]))
    tensor([[2, 0, 2, 1]])
    """
    ordered, order = rows.sort(dim=1)
    number = torch.zeros_like(rows)
    number[:, 1:] = (ordered.diff(dim=1) != 0).cumsum(dim=1)
    return torch.empty_like(rows).scatter_(1, order, number)


def _squares_within(scores: torch.Tensor, place: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """Return the sums of squares (n, P) of scores less the mean of those at the same place."""
    at = place[..., None].expand_as(scores)
    mean = torch.zeros_like(scores).scatter_add_(1, at, scores) / times.clamp_min(1)[..., None]
    return (scores - mean.gather(1, at)).square().sum(dim=1)
