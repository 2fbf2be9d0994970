"""What coalitions are worth: the detector's answer to samples whose other columns come from the
background.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from aexbench import Detector
from aexbench.detector import in_chunks

ValueName = Literal["error", "fixed-target", "reconstruction"]


@dataclass(frozen=True)
class Worth:
    """v(S) = the mean over background rows b of f(x_S, b_S̄), for one of three functions f of a row
    r.

    Parameters
    ----------
    detector
        Its loss is that of the errors.
    background : (B, …)
        On the detector's device, of its type.
    kind
        `error`: e(r, r̂), the row is its own target. `fixed-target`: e(x, r̂), the sample is the
        target. `reconstruction`: r̂ itself, one value per column.
    output
        Of a reconstruction, this column alone.
    """

    detector: Detector
    background: torch.Tensor
    kind: ValueName = "error"
    output: int | None = None

    def of_coalitions(
        self, x: torch.Tensor, coalitions: torch.Tensor, numbers: torch.Tensor
    ) -> torch.Tensor:
        """Return v (N, K, D) in float64 of samples x (N, …) for coalitions (K, P) bool of segments
        numbered (…).

        The detector is asked N · K · B rows, as many at a time as its chunks hold; what is kept is
        v.
        """
        count, columns = len(coalitions), numbers.flatten()
        kept = coalitions.to(x.dtype)
        at_once = max(1, self.detector.chunk_rows(x) // len(self.background))
        room = torch.empty(
            at_once, len(self.background), *x.shape[1:], dtype=x.dtype, device=x.device
        )

        def worth(part: torch.Tensor) -> torch.Tensor:
            sample, coalition = part // count, part % count
            given = x[sample][:, None]
            weight = kept[coalition][:, columns].view(given.shape)
            # Exact at 0 and 1, and half as much memory traffic as a choice by a mask into memory of
            # its own.
            rows = torch.lerp(
                self.background.expand(len(part), *room.shape[1:]),
                given,
                weight,
                out=room[: len(part)],
            )
            return self._mean(rows, x[sample])

        pairs = torch.arange(len(x) * count, device=x.device)
        return in_chunks(worth, pairs, at_once).view(len(x), count, -1)

    def of_nobody(self, x: torch.Tensor) -> torch.Tensor:
        """Return v(∅) (N, D): of the background alone."""
        if self.kind != "fixed-target":
            return self._mean(self.background[None], x[:1]).expand(len(x), -1)
        return torch.cat([self._mean(self.background[None], one) for one in x.split(1)])

    def of_everybody(self, x: torch.Tensor) -> torch.Tensor:
        """Return v of all players (N, D): of the samples themselves."""
        return self._mean(x[:, None], x)

    def _mean(self, rows: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Return the mean of f over the second axis of rows (P, B, …), whose samples are x (P, …),
        as (P, D).
        """
        flat = rows.flatten(0, 1)
        if self.kind == "error":
            values = self.detector.error(flat)
        elif self.kind == "reconstruction":
            values = self.detector.reconstruct(flat).flatten(1)
            values = values if self.output is None else values[:, self.output]
        else:
            target = x[:, None].expand_as(rows).flatten(0, 1)
            share = self.detector.error_share(target, self.detector.reconstruct(flat))
            values = share.flatten(1).sum(1)
        return values.view(len(rows), rows.shape[1], -1).mean(dim=1, dtype=torch.float64)
