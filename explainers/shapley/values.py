"""What coalitions are worth: the detector's answer to samples whose other columns come from the background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from aexbench import Detector
from aexbench.detector import in_chunks

ValueName = Literal["error", "fixed-target", "reconstruction"]


@dataclass(frozen=True)
class Worth:
    """v(S) = the mean over background rows b of f(x_S, b_S̄), for one of three functions f of a row r.

    Parameters
    ----------
    detector
        Its loss is that of the errors.
    background : (B, …)
        On the detector's device, of its type.
    kind
        `error`: e(r, r̂), the row is its own target. `fixed-target`: e(x, r̂), the sample is the target.
        `reconstruction`: r̂ itself, one value per column.
    """

    detector: Detector
    background: torch.Tensor
    kind: ValueName = "error"

    def of_coalitions(self, x: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        """Return v (N, K, D) in float64 of samples x (N, …) for coalitions given as columns (N or 1, K, …) bool.

        The detector is asked N · K · B rows, as many at a time as its chunks hold; what is kept is v.
        """
        count = columns.shape[1]
        pairs = torch.arange(len(x) * count, device=x.device)
        one_mask = len(columns) == 1

        def worth(part: torch.Tensor) -> torch.Tensor:
            sample, coalition = part // count, part % count
            mask = columns[0, coalition] if one_mask else columns[sample, coalition]
            return self._mean(torch.where(mask[:, None], x[sample][:, None], self.background), x[sample])

        rows = self.detector.chunk_rows(x) // len(self.background)
        return in_chunks(worth, pairs, max(1, rows)).view(len(x), count, -1)

    def of_nobody(self, x: torch.Tensor) -> torch.Tensor:
        """Return v(∅) (N, D): of the background alone."""
        if self.kind != "fixed-target":
            return self._mean(self.background[None], x[:1]).expand(len(x), -1)
        return torch.cat([self._mean(self.background[None], one) for one in x.split(1)])

    def of_everybody(self, x: torch.Tensor) -> torch.Tensor:
        """Return v of all players (N, D): of the samples themselves."""
        return self._mean(x[:, None], x)

    def _mean(self, rows: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Return the mean of f over the second axis of rows (P, B, …), whose samples are x (P, …), as (P, D)."""
        flat = rows.flatten(0, 1)
        if self.kind == "error":
            values = self.detector.error(flat)
        elif self.kind == "reconstruction":
            values = self.detector.reconstruct(flat)
        else:
            target = x[:, None].expand_as(rows).flatten(0, 1)
            share = self.detector.error_share(target, self.detector.reconstruct(flat))
            values = share.flatten(1).sum(1)
        return values.view(len(rows), rows.shape[1], -1).mean(dim=1, dtype=torch.float64)
