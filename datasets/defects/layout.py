"""Samples as files, in MVTec's layout: drawn once, into the user's cache folder, whole or not at
all.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aexbench import files
from aexbench.datasets.defects.samples import CATEGORIES, sample
from aexbench.digests import text_digest, value_digest
from aexbench.errors import StoreError

ABANDONED_S = 24 * 3600.0  # the age at which an unfinished folder has no writer any more


def drawn(category: str, images: int, per_damage: int, seed: int) -> Path:
    """Return the folder of a category in the cache, and draw what belongs in it where it is not
    there.

    It is written under a temporary name and renamed when it is complete: an interruption leaves
    nothing half, and of two processes that draw the same, the first one's folder stays.
    """
    home = files.cache_folder("defects")
    version = text_digest(sorted(Path(__file__).parent.glob("*.py")))
    target = home / value_digest([version, category, images, per_damage, seed])
    if not target.is_dir():
        _sweep(home)
        temporary = home / f".{target.name}.{secrets.token_hex(4)}{files.TEMPORARY}"
        try:
            write(temporary / category, category, images, per_damage, seed)
            _rename(temporary, target)
        except OSError as error:
            raise StoreError(f"cannot write {target}: {error.strerror or error}") from None
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return target / category


def write(folder: Path, category: str, images: int, per_damage: int, seed: int) -> None:
    """Write a category's images for training, and for the test as many of each kind of damage as
    without any.
    """
    damages = CATEGORIES[category].damages
    counts = {"train": images, "good": per_damage} | dict.fromkeys(damages, per_damage)
    for split, count in counts.items():
        place = folder / ("train/good" if split == "train" else f"test/{split}")
        digits = max(3, len(str(count - 1)))
        for number in range(count):
            made = sample(category, split, number, seed)
            _save(place / f"{number:0{digits}}.png", made.image)
            if split in damages:
                mask = np.where(made.mask, np.uint8(255), np.uint8(0))
                _save(folder / "ground_truth" / split / f"{number:0{digits}}_mask.png", mask)


def _save(path: Path, pixels: NDArray[Any]) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        Image.fromarray(pixels).save(file, format="PNG", compress_level=1)
        file.flush()
        os.fsync(file.fileno())


def _rename(temporary: Path, target: Path) -> None:
    """Rename the finished folder, unless another process was faster."""
    try:
        temporary.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def _sweep(home: Path) -> None:
    """Remove the folders of writers that were killed."""
    for folder in home.glob(f".*{files.TEMPORARY}"):
        if time.time() - folder.stat().st_mtime > ABANDONED_S:
            shutil.rmtree(folder, ignore_errors=True)
