"""What is no model that can be read, and what to type instead."""

from __future__ import annotations

import difflib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aexbench.errors import RequestError, unknown
from aexbench.loading import weights
from aexbench.loading.parts import OPTIONS
from aexbench.loading.places import WAYS, Place

KERAS = "model = keras.models.load_model({name!r}); return lambda x: model.predict(x, verbose=0)"


def missing(place: Place) -> RequestError:
    """Return the error for a file that is not there: it names the nearest."""
    path, folder = place.path, place.path.parent
    if path.is_dir():
        return RequestError(f"{path} is a folder: {WAYS}")
    if not folder.is_dir():
        return RequestError(f"there is no folder {folder} of a model {path.name}")
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    nearest = difflib.get_close_matches(path.name, names, n=1, cutoff=0.5)
    hint = f"; did you mean {folder / nearest[0]}?" if nearest else f": {WAYS}"
    return RequestError(f"there is no model file {path}{hint}")


def other(place: Place) -> RequestError:
    """Return the error for a file of another kind: it shows the way that its kind has."""
    name, suffix = place.path.name, place.path.suffix.lower()
    said: Callable[[Path], str] = SAID.get(suffix, _unknown)
    return RequestError(f"{name} {said(place.path)}")


def _weights(path: Path) -> str:
    return (
        "holds weights and no network: write the network in a file, def build(): return Net(…), "
        f"and name module.py:build[weights={path}]"
    )


def _torch(path: Path) -> str:
    """Look into a file of torch: weights, TorchScript, an archive, or a pickled module."""
    if inside := _names_in(path):
        if "constants.pkl" in inside:
            return (
                "is TorchScript, which cannot be looked into (torch has deprecated it): write the "
                "network in a file, def build(): return Net(…), and name "
                "module.py:build[weights=FILE] with its state dict"
            )
        if "archive_format" in inside:
            return "is an archive of torch.export: call it .pt2"
    try:
        weights.read(path)
    except weights.MoreError:
        return (
            "is a pickled module, and reading it would run code of the file: where it was made, "
            "torch.save(model.state_dict(), 'weights.pt'); then name "
            "module.py:build[weights=weights.pt]"
        )
    except RequestError as error:
        return str(error).removeprefix(f"{path.name} ")
    return _weights(path)


def _names_in(path: Path) -> set[str]:
    """Return what stands in an archive, without its first folder; nothing where it is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.partition("/")[2] for name in archive.namelist()}
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return set()


def _pickled(path: Path) -> str:
    return (
        "is a pickle, and reading it would run code of the file: if you know who made it, write "
        f"module.py with def build(): return joblib.load({path.name!r}), and name module.py:build"
    )


def _keras(path: Path) -> str:
    code = KERAS.format(name=path.name)
    return f"is a model of Keras: write module.py with def build(): {code}; name module.py:build"


def _unknown(path: Path) -> str:
    if zipfile.is_zipfile(path):
        return _torch(path)
    return (
        f"is no kind of model that is known: {WAYS}; of anything else, a factory may return a "
        "function x -> x̂ on arrays"
    )


SAID: dict[str, Callable[[Path], str]] = {
    **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt", ".jit", ".ts"), _torch),
    ".safetensors": _weights,
    **dict.fromkeys((".pkl", ".pickle", ".joblib", ".sav"), _pickled),
    **dict.fromkeys((".h5", ".hdf5", ".keras"), _keras),
}


def no_factory(place: Place) -> None:
    """Raise RequestError where a factory is named of a file that has none."""
    if place.factory:
        raise RequestError(f"{place.path.name} has no factories: leave :{place.factory} out")


def only_options(place: Place) -> dict[str, Any]:
    """Return the parameters of a file that has no factory: the Detector's own."""
    for name in place.parameters:
        if name not in OPTIONS:
            raise unknown(f"parameter of {place.path.name}", name, OPTIONS)
    return dict(place.parameters)
