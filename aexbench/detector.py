"""The Detector: an autoencoder, a reconstruction loss, and the scale of its scores. It is what gets
explained.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from aexbench import soundness, summaries
from aexbench.errors import RequestError, SkipError
from aexbench.features import Features
from aexbench.models import (
    Output,
    Picking,
    activation_bytes,
    check_model,
    found_output,
    refusal,
    takes_more,
    with_plain_weights,
)
from aexbench.rows import Array, as_rows, blocks, most, sample
from aexbench.state import Key, seeded
from aexbench.waiting import waiting

Share = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Loss = Literal["l1", "l2"] | Share
LOSSES: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "l1": torch.Tensor.abs_,
    "l2": torch.Tensor.square_,
}

# Activations of one chunk: small enough for a CPU's cache, large enough to keep a GPU busy. On two
# cores, 8 to 16 thousand rows of a 21-64-32-8 autoencoder (about 2 kB a row) ran fastest.
CHUNK_BYTES = {"cpu": 16 * 2**20, "cuda": 2**30}

OPAQUE = (
    "the model is a function: it has no gradients and no layers; use an explainer that asks the "
    "detector alone, such as repair or residual"
)
SCALE_CORRUPTIONS = 10_000
SCALE_SAMPLES = 20_000  # that say which codes a hashed or embedded category has


@dataclass(frozen=True)
class ScoreScale:
    """The errors that score 0 (`low`) and 1 (`high`), and two percentiles of the errors of normal
    samples.
    """

    low: float
    high: float
    normal_95: float
    normal_999: float

    def score(self, error: torch.Tensor) -> torch.Tensor:
        """Return clip((error − low) / (high − low), 0, 1)."""
        return ((error - self.low) / (self.high - self.low)).clamp(0.0, 1.0)

    def error_at(self, score: float) -> float:
        """Return the error above which samples score more than this; none do more than 1."""
        return self.low + score * (self.high - self.low) if score < 1 else float("inf")


@dataclass
class Detector:
    """An autoencoder with its reconstruction loss; every method takes tensors or arrays of samples
    (N, …).

    Parameters
    ----------
    model
        Maps x (N, …) to x̂ of the same shape. It is taken as it is, never modified, and run in
        evaluation mode; one that was made under `torch.inference_mode()` is copied, as autograd
        refuses its weights.
    loss
        `"l2"` (paper, Eq. 6) or `"l1"` (Eq. 7); or a function of x and x̂ (N, …) that returns each
        column's share (N, …) of the error: they sum to it, and gradients flow through it.
    features
        Describes the columns; regular values lie in [0, 1] unless it says otherwise. Where it says
        no bounds, `evaluate` takes them from a background that leaves [0, 1].
    scale
        The scale of scores, if it is known; else see `calibrate`.
    report
        What its training reached, if known.
    output
        Which part of what the model returns is x̂: a number, a name, or a function of the result.
        Where it is left out, the one tensor of x's shape is taken, and a warning says which.
    draws
        Of a model that draws noise when it is evaluated (a variational one, as many write it): x̂ is
        the mean of so many draws, seeded, the same for a sample in any batch. 0: it draws none.
    batch
        Samples that the model is given at once, at most. A network whose samples influence each
        other in a batch is honest with 1.
    fresh
        A function that makes the model anew, untrained, for twins of it; where it is left out, the
        modules' own `reset_parameters` draw initial weights.

    Raises
    ------
    RequestError
        If the model is no module or the loss unknown, or when the model returns another shape than
        it was given; the message shows what to write.

    Examples
    --------
    >>> import torch, aexbench
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.ReLU(), torch.nn.Linear(2, 4))
    >>> detector = aexbench.Detector(model, loss="l2")
    >>> x = torch.rand(3, 4)
    >>> bool(torch.allclose(detector.error_map(x).sum(1), detector.error(x)))
    True
    """

    model: torch.nn.Module
    loss: Loss = "l2"
    features: Features = None  # type: ignore[assignment]  # Features() once it is made
    scale: ScoreScale | None = None
    report: Mapping[str, Any] = field(default_factory=dict)
    output: Output | None = None
    draws: int = 0
    batch: int | None = None
    fresh: Callable[[], torch.nn.Module] | None = None

    def __post_init__(self) -> None:
        """Check what can be checked before the first sample."""
        check_model(self.model)
        if type(self).reconstruct is not Detector.reconstruct:
            raise RequestError(
                f"{type(self).__name__} has its own reconstruct, which errors and explainers do "
                "not pass: do the same in the model's forward, or by Detector(model, output=…)"
            )
        self.model = with_plain_weights(self.model)
        if self.output is not None and not isinstance(self.model, Picking):
            self.model = Picking(self.model, self.output)
        if not callable(self.loss) and self.loss not in LOSSES:
            raise RequestError(f"unknown loss {self.loss!r}; known: {', '.join(LOSSES)}")
        if self.features is None:
            self.features = Features()
        self._seen: set[tuple[int, ...]] = set()  # shapes of samples that it was checked with
        self.own: set[Key] = set()  # what a call of the model itself was seen to change
        self._look()

    @classmethod
    def of(
        cls,
        model: object,
        *,
        loss: Loss = "l2",
        features: Features | None = None,
        output: Output | None = None,
        draws: int = 0,
        batch: int | None = None,
        fresh: Callable[[], torch.nn.Module] | None = None,
    ) -> Self:
        """Return a detector of whatever makes x̂ of x.

        Parameters
        ----------
        model
            - A torch module, taken as it is.
            - A fitted `PCA`, `MLPRegressor`, `TransformedTargetRegressor`, or `Pipeline` of
              scalers (standard, min-max, robust, max-abs) and these: computed by torch in float64
              as scikit-learn does, so that gradient methods and LRP see inside. x̂ is what
              `predict(x)` returns, or `inverse_transform(transform(x))`: in x's units if it was
              fitted so.
            - Another estimator of scikit-learn, or a function x -> x̂ on NumPy arrays (N, …): it is
              asked, and not looked into (`opaque`). What needs gradients, and untrained twins, are
              skipped.
        loss, features, output, draws, batch, fresh
            As for `Detector`.

        Raises
        ------
        RequestError
            If it makes no x̂, or is not fitted: says what to give.

        Examples
        --------
        >>> import aexbench, numpy as np
        >>> from sklearn.decomposition import PCA
        >>> x = np.random.default_rng(0).random((50, 4))
        >>> aexbench.Detector.of(PCA(2).fit(x)).error(x).shape
        torch.Size([50])
        """
        from aexbench.loading.making import module_of

        options = {"output": output, "draws": draws, "batch": batch, "fresh": fresh}
        return cls(module_of(model), loss, features, **options)  # type: ignore[arg-type]

    def _look(self) -> None:
        """Take in what the model is; what was measured of another one is forgotten."""
        self._chunks: dict[tuple[int, ...], int] = {}
        tensors = (t for group in (self.model.parameters(), self.model.buffers()) for t in group)
        self._reference = next((t for t in tensors if t.is_floating_point()), torch.empty(0))

    @property
    def device(self) -> torch.device:
        """Where the model is: the device of its first parameter."""
        return self._reference.device

    @property
    def opaque(self) -> bool:
        """Whether the model calls a function that autograd cannot look into: no gradients, and
        nothing that an untrained twin could draw anew.
        """
        return any(getattr(module, "opaque", False) is True for module in self.model.modules())

    def require_inside(self) -> None:
        """Raise SkipError where the model is `opaque`."""
        if self.opaque:
            raise SkipError(OPAQUE)

    @property
    def dtype(self) -> torch.dtype:
        """The type of the model's first parameter."""
        return self._reference.dtype

    def reconstruct(self, x: torch.Tensor | ArrayLike) -> torch.Tensor:
        """Return x̂ (N, …) on x's device; gradients flow where x requires them, else it runs in
        chunks without.
        """
        return self._chunked(lambda _, x_hat: x_hat, x)

    def error_map(self, x: torch.Tensor | ArrayLike) -> torch.Tensor:
        """Return each column's share (N, …) of the error; sums to `error` per sample. Gradients as
        in `reconstruct`.
        """
        return self._chunked(self.error_share, x)

    def error(self, x: torch.Tensor | ArrayLike) -> torch.Tensor:
        """Return e(x, x̂) (N,), the mean over columns (Eq. 6, 7). Gradients as in `reconstruct`."""
        return self._chunked(
            lambda samples, x_hat: self.error_share(samples, x_hat).flatten(1).sum(1), x
        )

    def error_gradient(self, x: torch.Tensor | ArrayLike) -> torch.Tensor:
        """Return ∂e/∂x (N, …) on x's device, without a graph and whatever the
        gradient mode around. SkipError where the model is `opaque`.
        """
        self.require_inside()
        samples = self._taken(x)

        def gradient(part: torch.Tensor) -> torch.Tensor:
            with torch.inference_mode(False), torch.enable_grad():
                point = part.clone().requires_grad_()
                error = self.error(point)
                return torch.autograd.grad(error.sum(), point)[0]

        rows = self.chunk_rows(samples)
        return in_chunks(gradient, samples.detach(), rows).to(
            x.device if isinstance(x, torch.Tensor) else "cpu"
        )

    def score(self, x: torch.Tensor | ArrayLike) -> torch.Tensor:
        """Return anomaly scores (N,) in [0, 1]; `calibrate` must have been called."""
        return self.calibrated.score(self.error(x))

    def error_share(self, x: torch.Tensor, x_hat: torch.Tensor) -> torch.Tensor:
        """Return |x − x̂|/m or (x − x̂)²/m, where m counts the columns (Eq. 13, 14), or what the
        detector's own function says.
        """
        if callable(self.loss):
            share = self.loss(x, x_hat)
            if share.shape != x.shape:
                raise RequestError(
                    f"a loss returns each column's share, {tuple(x.shape)}, this one "
                    f"{tuple(share.shape)}: such as lambda x, x_hat: (x - x_hat) ** 2 / "
                    "x[0].numel(), or a criterion with reduction='none'"
                )
            return share
        return LOSSES[self.loss](x - x_hat).div_(x.shape[1:].numel())

    def with_loss(self, loss: str | None) -> Detector:
        """Return this detector with another loss, or itself: one network can be explained in L1 and
        in L2.
        """
        if loss is None or loss == self.loss:
            return self
        if loss not in LOSSES:
            raise RequestError(f"unknown loss {loss!r}; known: {', '.join(LOSSES)}")
        made = copy.copy(self)
        made.loss, made.scale = loss, None  # type: ignore[assignment]
        return made

    def with_model(self, model: torch.nn.Module) -> Detector:
        """Return a detector of this one's class, loss, Features, scale and report around another
        model.
        """
        made = copy.copy(self)
        made.model = model
        made._look()
        return made

    @property
    def calibrated(self) -> ScoreScale:
        """The scale of scores; RequestError where there is none yet."""
        if self.scale is None:
            raise RequestError(
                "this detector has no score scale yet: call detector.calibrate(normal_samples) "
                "first"
            )
        return self.scale

    def calibrate(self, reference: torch.Tensor | ArrayLike, seed: int = 0) -> Detector:
        """Fix the score scale from normal samples that it was not trained on (the validation
        split); return itself.

        0 is the least error of the reference, 1 the 99.9th percentile of the errors of 10,000
        seeded random single-feature corruptions of it. No labels are needed.
        """
        reference = _samples(reference)
        with waiting("calibrating the detector") as say:
            normal, errors = self._errors(reference), []
            for x in self._corrupted(reference, seed):
                errors.append(self._errors(x))
                say("calibrating the detector", sum(map(len, errors)) / SCALE_CORRUPTIONS)
        corrupted = np.concatenate(errors)
        low, high = float(normal.min()), float(np.quantile(corrupted, 0.999))
        if not np.isfinite([low, high]).all():
            raise RequestError("the reconstruction error is not finite on the reference samples")
        if high <= low:
            raise RequestError(
                "corrupted samples have no greater error than normal ones: this model detects "
                "nothing"
            )
        self.scale = ScoreScale(
            low, high, float(np.quantile(normal, 0.95)), float(np.quantile(normal, 0.999))
        )
        return self

    def _errors(self, x: torch.Tensor | ArrayLike) -> NDArray[np.float64]:
        return np.asarray(self.error(x).detach().double().cpu().numpy())

    def _corrupted(self, reference: Any, seed: int) -> Iterator[torch.Tensor]:
        """Yield chunks of single-feature corruptions: a uniform value, or another category, in a
        random feature of a random sample.
        """
        rng = np.random.default_rng(seed)
        shape = tuple(reference.shape[1:])
        known = _known(reference) if self.features.asks_samples else None
        size = max(1, min(1000, 2**24 // int(np.prod(shape))))
        for start in range(0, SCALE_CORRUPTIONS, size):
            count = min(size, SCALE_CORRUPTIONS - start)
            rows = rng.integers(len(reference), size=count)
            mask = self.features.masks(rng.integers(self.features.count(shape), size=count), shape)
            drawn = reference[rows]
            x = (
                drawn.cpu().double().numpy()
                if isinstance(drawn, torch.Tensor)
                else np.asarray(drawn, dtype=np.float64)
            )
            drawn_anew = self.features.redrawn(x, mask, rng.random((count, *shape)), known)
            yield torch.as_tensor(drawn_anew).to(self.dtype)

    def _chunked(
        self,
        result: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        x: torch.Tensor | ArrayLike,
    ) -> torch.Tensor:
        """Return result(x, x̂), in chunks sized to cache and memory unless gradients are wanted."""
        if not isinstance(x, torch.Tensor):
            return torch.cat(
                [self._chunked(result, torch.as_tensor(block)) for block in blocks(_samples(x))]
            )
        samples, device = self._taken(x), x.device
        rows = self.chunk_rows(samples)
        self._warn(samples)
        with evaluation_mode(self.model.modules()):
            if samples.requires_grad and torch.is_grad_enabled():
                return result(samples, self._reconstruct(samples)).to(device)
            with torch.no_grad():
                return in_chunks(
                    lambda part: result(part, self._reconstruct(part)), samples, rows
                ).to(device)

    def _warn(self, samples: torch.Tensor) -> None:
        """Warn once for each shape of samples where the detector is unsound."""
        shape = tuple(samples.shape[1:])
        if len(samples) > 1 and shape not in self._seen:
            self._seen.add(shape)
            for finding in soundness.findings(self, samples.detach()):
                warnings.warn(soundness.DetectorWarning(finding.text), stacklevel=4)

    def _taken(self, x: torch.Tensor | ArrayLike) -> torch.Tensor:
        """Return samples as the model takes them."""
        samples = _samples(x)
        tensor = samples if isinstance(samples, torch.Tensor) else torch.as_tensor(samples[:])
        return tensor.to(self.device, self.dtype)

    def _reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """Return x̂ of x, of as many samples at once as the model may be given."""
        if self.draws:
            return torch.cat([self._mean_draw(one) for one in x.split(1)])
        if self.batch and len(x) > self.batch:
            return torch.cat([self._picked(part) for part in x.split(self.batch)])
        return self._picked(x)

    def _mean_draw(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean of x̂ over draws of the model's noise for one sample, always the same."""
        with seeded(0, x.device):
            many = x.expand(self.draws, *x.shape[1:]).contiguous()
            return self._picked(many).mean(dim=0, keepdim=True)

    def _picked(self, x: torch.Tensor) -> torch.Tensor:
        """Return x̂, the tensor of x's shape among what the model returns."""
        x_hat = self._forward(x)
        if isinstance(x_hat, torch.Tensor) and x_hat.shape == x.shape:
            return x_hat
        output = None if isinstance(self.model, Picking) else found_output(x_hat, x.shape)
        if output is None:
            raise refusal(x_hat, x.shape)
        self.model = Picking(self.model, output)
        warnings.warn(
            f"the model returns a {type(x_hat).__name__}; x̂ is taken to be its part {output!r}, "
            f"the one of x's shape: Detector(model, output={output!r}) says so",
            stacklevel=2,
        )
        return self._picked(x)

    def _forward(self, x: torch.Tensor) -> Any:
        try:
            return self.model(x.clone())  # some write into what they are given
        except TypeError as error:
            if "positional argument" in str(error):
                raise takes_more(error) from error
            raise
        except AssertionError as error:
            shape = tuple(x.shape)
            raise RequestError(f"the model refuses samples of shape {shape}: {error}") from error
        except (RuntimeError, ValueError) as error:
            if "more than 1 value per channel" in str(error):
                raise RequestError(f"{soundness.STATISTICS}: {error}") from error
            if isinstance(error, RuntimeError) and ("shape" in str(error) or "size" in str(error)):
                shape = tuple(x.shape)
                raise RequestError(
                    f"the model cannot take samples of shape {shape}: {error}"
                ) from error
            raise

    def chunk_rows(self, x: torch.Tensor) -> int:
        """Return how many samples' activations fit in cache or memory at once, measured once per
        shape.
        """
        shape = tuple(x.shape[1:])
        if shape not in self._chunks:
            budget = CHUNK_BYTES.get(self.device.type, 2**28)
            modules = self.model.modules()
            with torch.inference_mode(False), torch.no_grad(), evaluation_mode(modules):
                zeros = torch.zeros(1, *shape, dtype=self.dtype, device=self.device)
                one = x[:1].detach().to(zeros) if len(x) else zeros
                self._chunks[shape] = max(1, budget // max(1, self.activation_bytes(one)))
        return self._chunks[shape]

    def activation_bytes(self, x: torch.Tensor) -> int:
        """Return the bytes of x and of all tensors that the model makes of it."""
        return x.numel() * x.element_size() + activation_bytes(lambda: self._forward(x))

    def __repr__(self) -> str:
        return summaries.of_detector(self).text()

    def _repr_html_(self) -> str:
        return summaries.of_detector(self).html()


def _known(reference: Any) -> Array:
    """Return the samples that codes of categories are drawn from: 20,000 at most."""
    rows = reference.cpu().numpy() if isinstance(reference, torch.Tensor) else reference
    return sample(rows, most(rows, SCALE_SAMPLES))


def _samples(x: Any) -> Any:
    """Return a tensor or rows (N, …) as they are, and everything else as an array."""
    samples = x if isinstance(x, torch.Tensor) else as_rows(x)
    if len(samples.shape) < 2:
        raise RequestError(f"samples have shape (N, …); got {tuple(samples.shape)}")
    return samples


def in_chunks(
    compute: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, rows: int
) -> torch.Tensor:
    """Return compute(x), `rows` samples at a time, and half as many whenever memory runs out.

    >>> in_chunks(lambda part: 2 * part, torch.arange(5), rows=2)
    tensor([0, 2, 4, 6, 8])
    """
    parts: list[torch.Tensor] = []
    start = 0
    while start < len(x) or not parts:
        try:
            part = x if rows >= len(x) else x[start : start + rows]
            _put(compute(part), parts, slice(start, start + len(part)), len(x))
            start += rows
            continue
        except (MemoryError, RuntimeError) as error:
            if rows == 1 or not is_out_of_memory(error):
                raise
        rows //= 2  # outside of `except`: what the failed attempt has allocated is free by now
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _put(made: torch.Tensor, parts: list[torch.Tensor], of: slice, every: int) -> None:
    """Write a part into the place of `every` row, where it has one for each sample of its own.

    Thousands of small parts that stay lie between the large blocks that come and go, so that the
    heap cannot give these back: it grew by gigabytes where a part was one number.
    """
    whole = len(made) == of.stop - of.start and not made.requires_grad
    if whole and of.start == 0 and len(made) < every:
        parts.append(made.new_empty(every, *made.shape[1:]))
    if whole and parts and len(parts[0]) == every:
        parts[0][of] = made
    else:
        parts.append(made)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory has run out: on the host, on a GPU, or inside a library
    of torch's.
    """
    return isinstance(
        error, MemoryError | torch.OutOfMemoryError
    ) or "can't allocate memory" in str(error)


@contextmanager
def evaluation_mode(modules: Iterable[torch.nn.Module]) -> Iterator[None]:
    """Put a model's modules in evaluation mode, and back in the end what was in training mode."""
    training = [module for module in modules if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True
