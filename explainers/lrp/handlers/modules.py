"""Which function does what a module does; subclasses go by their nearest ancestor here."""

from __future__ import annotations

from torch import nn

MODULES: dict[type[nn.Module], str] = {
    nn.Identity: "identity",
    nn.Linear: "linear",
    nn.ReLU: "relu",
    nn.Hardtanh: "hardtanh",
    nn.ReLU6: "relu6",
    nn.LeakyReLU: "leaky_relu",
    nn.LogSigmoid: "logsigmoid",
    **{
        getattr(nn, name): name.lower()
        for name in ("PReLU", "RReLU", "ELU", "CELU", "SELU", "GELU", "SiLU", "Mish")
    },
    **{
        getattr(nn, name): name.lower()
        for name in ("Sigmoid", "Tanh", "Softplus", "Softsign", "Hardsigmoid")
    },
    nn.Hardswish: "hardswish",
    **dict.fromkeys((nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d), "dropout"),
    **dict.fromkeys((nn.AlphaDropout, nn.FeatureAlphaDropout), "dropout"),
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), "batch_norm"),
    nn.LayerNorm: "layer_norm",
    nn.RMSNorm: "rms_norm",
    nn.GLU: "glu",
    nn.GroupNorm: "group_norm",
    **dict.fromkeys((nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d), "instance_norm"),
    nn.Flatten: "flatten",
    nn.Unflatten: "unflatten",
    nn.PixelShuffle: "pixel_shuffle",
    nn.PixelUnshuffle: "pixel_unshuffle",
    nn.ChannelShuffle: "channel_shuffle",
    nn.Upsample: "interpolate",
    **{
        getattr(nn, f"{kind}{d}d"): f"{name}{d}d"
        for d in (1, 2, 3)
        for kind, name in {
            "Conv": "conv",
            "ConvTranspose": "conv_transpose",
            "MaxPool": "max_pool",
            "AdaptiveMaxPool": "adaptive_max_pool",
            "MaxUnpool": "max_unpool",
            "AvgPool": "avg_pool",
            "AdaptiveAvgPool": "adaptive_avg_pool",
        }.items()
    },
    **dict.fromkeys((nn.LSTM, nn.GRU, nn.RNN), "recurrent_module"),
    **dict.fromkeys((nn.LSTMCell, nn.GRUCell, nn.RNNCell), "recurrent_cell"),
    **{
        getattr(nn, f"{kind}Pad{d}d"): "pad"
        for d in (1, 2, 3)
        for kind in ("Zero", "Constant", "Reflection", "Replication", "Circular")
    },
}
