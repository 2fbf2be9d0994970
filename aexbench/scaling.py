"""Scale: from the values of a user's table to those that a detector takes, and back.

It travels with a Dataset, so that explanations can speak in the user's units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aexbench.errors import RequestError
from aexbench.rows import as_rows

Bound = float | tuple[float, ...]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """An affine map of each column: x = (value − offset) / factor.

    Parameters
    ----------
    offset
        The value that becomes 0, one for all columns or one each.
    factor
        What 1 stands for, in the user's units; not 0.
    tolerance
        How far from its offset a value is still the offset, but for rounding, and becomes 0: above
        0 for columns that are constant in training.

    Examples
    --------
    >>> celsius = Scale(offset=(-10.0, 0.0), factor=(50.0, 1.0))
    >>> celsius.transform([[15.0, 0.25]])
    array([[0.5 , 0.25]], dtype=float32)
    >>> celsius.inverse([[0.5, 0.25]])
    array([[15.  ,  0.25]])
    """

    offset: Bound = 0.0
    factor: Bound = 1.0
    tolerance: Bound = 0.0

    def __post_init__(self) -> None:
        """Take lists too; reject what is no map, or has no inverse."""
        for name in ("offset", "factor", "tolerance"):
            object.__setattr__(self, name, _plain(name, getattr(self, name)))
        lengths = {len(part) for part in self._parts if isinstance(part, tuple)}
        if len(lengths) > 1:
            raise RequestError(f"the parts of a Scale differ in length: {sorted(lengths)}")
        if not np.all(self.factor):
            raise RequestError("factor of a Scale must not be 0: 1 stands for nothing then")
        if np.any(np.less(self.tolerance, 0)):
            raise RequestError("tolerance of a Scale must not be negative")

    @staticmethod
    def of(offset: ArrayLike, factor: ArrayLike, tolerance: ArrayLike = 0.0) -> Scale:
        """Return the scale of arrays, one value for all columns or one each."""
        return Scale(
            _plain("offset", offset), _plain("factor", factor), _plain("tolerance", tolerance)
        )

    def transform(self, values: ArrayLike) -> NDArray[np.float32]:
        """Return values (N, …) of the user's as rows of the data set (N, …), float32.

        Raises
        ------
        RequestError
            If the rows have other columns than the scale.
        """
        rows = np.asarray(as_rows(values), dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            return scaled(rows, *self._shaped(rows.shape[1:])).astype(np.float32)

    def inverse(self, x: ArrayLike) -> Floats:
        """Return rows (N, …) of the data set as values (N, …) of the user's, float64.

        Of what `transform` has made, a value v comes back as exactly as float32 holds its distance
        from the offset: within 2⁻²⁴ |v − offset|, half a unit in the last place; one within the
        tolerance as the offset. A large offset costs nothing, as it is float64: readings between
        1e9 and 1e9 + 1 come back within 6e-8. A value much smaller than its distance from the
        offset keeps no more than that distance's digits.

        Raises
        ------
        RequestError
            If the rows have other columns than the scale.
        """
        rows = np.asarray(as_rows(x), dtype=np.float64)
        offset, factor, _ = self._shaped(rows.shape[1:])
        return np.asarray(offset + factor * rows)

    def repeated(self, steps: int) -> Scale:
        """Return the scale of windows (T, D) of the rows (D,) that this one is for.

        >>> Scale(offset=(1.0, 2.0), factor=4.0).repeated(2)
        Scale(offset=(1.0, 2.0, 1.0, 2.0), factor=4.0, tolerance=0.0)
        """
        parts = (part * steps if isinstance(part, tuple) else part for part in self._parts)
        return Scale(*parts)

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise RequestError unless samples of this shape have as many columns as the scale."""
        for part in self._parts:
            if isinstance(part, tuple) and len(part) != int(np.prod(shape)):
                raise RequestError(
                    f"a Scale of {len(part)} columns does not fit samples of shape {shape}"
                )

    @property
    def _parts(self) -> tuple[Bound, Bound, Bound]:
        return self.offset, self.factor, self.tolerance

    def _shaped(self, shape: tuple[int, ...]) -> list[Floats]:
        """Return offset, factor and tolerance as they meet samples of a shape."""
        self.check(shape)
        arrays = [np.asarray(part, dtype=np.float64) for part in self._parts]
        return [array.reshape(shape) if array.ndim else array for array in arrays]


def scaled(
    values: Floats, offset: Floats | float, factor: Floats | float, tolerance: Floats | float
) -> Floats:
    """Return (values − offset) / factor, and 0 where a value is within the tolerance of the offset.

    >>> scaled(np.array([3.0, 3.1, 5.0]), 3.0, 2.0, 0.2)
    array([0., 0., 1.])
    """
    away = np.asarray(values - offset)
    if np.any(tolerance):
        away[np.abs(away) <= tolerance] = 0.0
    return np.asarray(away / factor)


def _plain(name: str, value: Any) -> Bound:
    """Return a float, or a tuple of floats; RequestError where one is not finite."""
    array = np.asarray(value, dtype=np.float64)
    if not np.isfinite(array).all():
        raise RequestError(f"{name} of a Scale must be finite")
    return float(array) if array.ndim == 0 else tuple(array.ravel().tolist())
