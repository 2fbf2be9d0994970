"""ONNX networks, run by onnxruntime: functions of x, without gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from aexbench.errors import RequestError, SkipError, line
from aexbench.extras import optional
from aexbench.loading.opaque import Opaque
from aexbench.loading.parts import Made, Wanted, contents, source
from aexbench.loading.places import Place
from aexbench.loading.refusals import no_factory, only_options

TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}


def made(place: Place, wanted: Wanted) -> Made:
    """Return an ONNX network as a function; one for single samples is given them one by one."""
    no_factory(place)
    options = only_options(place)
    session = Session(place.path)
    if session.batch not in (None, 1):
        raise RequestError(
            f"{place.path.name} takes batches of {session.batch} samples: export it for any, "
            "torch.onnx.export(…, dynamic_shapes=({0: torch.export.Dim('batch')},))"
        )
    if session.batch == 1:
        options["batch"] = 1
    return Made(Opaque(session), options, source("onnx", *contents(files_of(place.path))))


def files_of(path: Path) -> list[Path]:
    """Return the file of a network, and those beside it that hold the weights of a large one."""
    named = (path.with_name(path.name + ending) for ending in ("", ".data", "_data"))
    return [one for one in named if one.is_file()]


class Session:
    """What onnxruntime makes of an array; several outputs by their names."""

    def __init__(self, path: Path) -> None:
        try:
            runtime = optional("onnxruntime", extra="onnx")
        except SkipError as error:
            raise RequestError(f"{path.name}: {error}") from None
        settings = runtime.SessionOptions()
        settings.intra_op_num_threads = torch.get_num_threads()
        try:
            self.session = runtime.InferenceSession(
                str(path), settings, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own have no common class
            raise RequestError(f"{path.name} is no ONNX network: {line(error)}") from error
        inputs = self.session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in TYPES:
            kinds = ", ".join(f"{one.name}: {one.type}" for one in inputs)
            raise RequestError(
                f"{path.name} must take samples x alone, of floats; it takes {kinds}"
            )
        self.name, self.type = inputs[0].name, TYPES[inputs[0].type]
        size = inputs[0].shape[0] if inputs[0].shape else None
        self.batch = size if isinstance(size, int) else None
        self.outputs = [one.name for one in self.session.get_outputs()]

    def __call__(self, x: Any) -> Any:
        """Return the only output, or all by their names."""
        found = self.session.run(None, {self.name: np.asarray(x, dtype=self.type)})
        return found[0] if len(found) == 1 else dict(zip(self.outputs, found, strict=True))
