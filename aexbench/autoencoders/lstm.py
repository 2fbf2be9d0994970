"""A recurrent autoencoder of LSTMs, for windows of series."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge
from torch import nn

from aexbench.autoencoders import register
from aexbench.autoencoders.series import Output, Recurrent, check_window
from aexbench.declarations import Later


@register(
    "lstm", version=1, images=False, epochs=60, patience=30, batch_size=16, learning_rate=0.005
)
def lstm(
    shape: tuple[int, ...],
    *,
    units: Annotated[int, Ge(1)] = 32,
    code: Annotated[int, Ge(1)] = 8,
    output: Annotated[Output, Later("sigmoid")] = "sigmoid",
) -> nn.Module:
    """Return an LSTM that reads a window into a code, and one that writes the window from it.

    Parameters
    ----------
    shape
        Of one sample: (T, D).
    units
        Of each of the two layers.
    code
        Numbers that the decoder reads, the same at every step.
    output
        What ends the network: `sigmoid` reaches from 0 to 1, `identity` everywhere.

    References
    ----------
    Malhotra et al. 2016, "LSTM-based Encoder-Decoder for Multi-sensor Anomaly Detection" (its
    decoder reads its own last output; this one reads the code).
    """
    _, channels = check_window(shape, "lstm")
    return Recurrent(nn.LSTM, channels, units, code, output)
