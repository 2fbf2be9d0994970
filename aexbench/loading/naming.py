"""A model named by a text: `module.py:factory[weights=FILE]`, an archive of torch.export, ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aexbench.detector import Detector, Loss
from aexbench.errors import RequestError
from aexbench.features import Features
from aexbench.loading import archives, onnx, python, refusals
from aexbench.loading.parts import Made, Wanted, mark
from aexbench.loading.places import Place, parse
from aexbench.models import Output

READERS: Mapping[str, Callable[[Place, Wanted], Made]] = {
    ".py": python.made,
    ".pt2": archives.made,
    ".onnx": onnx.made,
}


def load(
    text: str,
    *,
    trust: bool = False,
    loss: Loss = "l2",
    output: Output | None = None,
    device: str = "cpu",
    features: Features | None = None,
) -> Detector:
    """Return the detector that a text names; nothing is trained, and its scores have no scale yet.

    Parameters
    ----------
    text
        - `module.py:factory[weights=FILE,…]`: what the function or class `factory` of a Python file
          makes, a torch module, a scikit-learn object or a function x -> x̂ on arrays; `weights` is
          a safetensors file or a state dict. Other parameters are the factory's. The file's folder
          can be imported from while it loads.
        - `archive.pt2`: what `torch.export.save` has written; needs `trust`.
        - `network.onnx`: run by onnxruntime, without gradients.

        In the brackets may also stand the Detector's own `loss`, `output`, `draws` and `batch`;
        what the factory takes by that name is the factory's.
    trust
        Whether files may run code: torch's loader of archives unpickles.
    loss, output, features
        As for `Detector`; the brackets come first.
    device
        `cpu` or `cuda`.

    Raises
    ------
    RequestError
        If there is no such file, factory or parameter, or the weights do not fit: one line that
        says what to type.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "mine.py")
    ...     _ = file.write_text("def build(factor=2): return lambda x: factor * x")
    ...     load(f"{file}:build[factor=3]").reconstruct([[1.0, 2.0]])
    tensor([[3., 6.]])
    """
    options = {"loss": loss, "output": output}
    return load_place(parse(text), Wanted(device, trust), features, options)


def load_place(
    place: Place,
    wanted: Wanted,
    features: Features | None = None,
    options: Mapping[str, Any] | None = None,
) -> Detector:
    """Return the detector of a text that is taken apart; its own options come first."""
    made = read(place, wanted)
    mark(made.module, made.source)
    given: dict[str, Any] = {**(options or {}), **made.options}
    try:
        return Detector(made.module, features=features, **given)  # type: ignore[arg-type]
    except (RequestError, TypeError) as error:
        raise RequestError(f"{place.words}: {error}") from error


def read(place: Place, wanted: Wanted) -> Made:
    """Return what a place holds; RequestError where that is no model."""
    if not place.path.is_file():
        raise refusals.missing(place)
    reader = READERS.get(place.path.suffix)
    if reader is None:
        raise refusals.other(place)
    return reader(place, wanted)
