"""Training one autoencoder: seeded, stopped early, streamed from disk, and started again where a
network dies.

A detector that has learned nothing is no detector. Its output does not vary, or it reconstructs no
better than the best constant sample does; then training starts again from another seed, and fails
loudly where that does not help.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aexbench.autoencoders.starting import growing, soften
from aexbench.contracts import Dataset, Progress, Untrained
from aexbench.declarations import Training
from aexbench.detector import Detector, Loss, evaluation_mode
from aexbench.errors import RequestError
from aexbench.rows import Array, Rows, blocks, moments, shuffled

Build = Callable[[int], Untrained]
SMALL_BATCH = 2**22  # bytes of activations
LEAST_GAIN = 1e-3  # of the validation error, for an epoch to count as better
LEAST_VARIATION = (
    1e-4  # of the output's variance in the samples': below it, the output is a constant
)
STARTS = 3
EARLY = 20  # steps within which a network that dies is noticed at once
BEYOND = 0.1  # of the samples' range: an output that misses less is not why nothing was learned
NARROW, WIDE = (
    0.05,
    10.0,
)  # standard deviation on the scale of [0, 1] that autoencoders are made for
RANGES = {torch.nn.Sigmoid: (0.0, 1.0), torch.nn.Tanh: (-1.0, 1.0), torch.nn.ReLU: (0.0, np.inf)}
SCALE = "scale the features to [0, 1]"
PROBE = 256  # samples by which a constant output is noticed


def fit(
    dataset: Dataset, build: Build, seed: int, progress: Progress, device: str = "cpu"
) -> Detector:
    """Train an autoencoder on the training split and return the calibrated detector, at its best
    validation error.

    Its `report` says how many epochs it took and the errors reached; `constant_error` is the
    validation error of the best constant sample (the training split's mean for L2, its median for
    L1), `output_variation` the variance of the reconstructions in units of the samples'. Where the
    test split has labels, `roc_auc` and `average_precision` say how well e(x) detects them.

    Raises
    ------
    RequestError
        If the data are too few or not finite, or if three starts came to nothing: diverged, dead,
        or no better than a constant sample.
    """
    _check_splits(dataset)
    complaint = ""
    for start in range(STARTS):
        again = _start_seed(seed, start)
        detector = _start(dataset, build, again, progress, device, softly=start > 0)
        complaint = collapse(detector.report)
        if not complaint:
            detector.report = {
                **detector.report,
                "starts": start + 1,
                **detection(detector, dataset),
            }
            return detector.calibrate(dataset.validation)
        progress(f"start {start + 1} of {STARTS} came to nothing: {complaint}", 0.0)
    raise RequestError(
        f"training came to nothing in {STARTS} starts: {complaint}. An explanation of such a "
        f"detector means nothing: {_way_out(detector.model, dataset.train)}"
    )


def _way_out(model: torch.nn.Module, train: Rows) -> str:
    """Return what is likely to help a network that learns nothing: another scale of the data where
    the output does not reach theirs, or where they hardly vary on its own.
    """
    low = min(float(block.min()) for block in blocks(train)) + 0.0  # no -0
    high = max(float(block.max()) for block in blocks(train)) + 0.0
    spread = float(moments(train)[1].max())
    least, most = _reach(model)
    if spread == 0:
        return "its training samples are all the same: there is nothing to learn"
    if max(least - low, high - most) > BEYOND * (high - low):
        reach = f"its output between {least:g} and {most:g}"
        return f"the training samples lie between {low:.3g} and {high:.3g}, {reach}: {SCALE}"
    if not NARROW <= spread <= WIDE:
        return f"the greatest standard deviation of a feature is {spread:.2g} in training: {SCALE}"
    return (
        "train longer (epochs, patience), more slowly (learning_rate), or use another autoencoder"
    )


def _reach(model: torch.nn.Module) -> tuple[float, float]:
    """Return the least and the greatest output that a model's last layer allows."""
    last = [module for module in model.modules() if not any(module.children())][-1]
    return RANGES.get(type(last), (-np.inf, np.inf))


def _check_splits(dataset: Dataset) -> None:
    for name, least in (("train", 2), ("validation", 1), ("test", 0)):
        split = getattr(dataset, name)
        if len(split) < least:
            raise RequestError(
                f"the {name} split holds {len(split)} samples; training needs {least} or more"
            )
        if not all(np.isfinite(block).all() for block in blocks(split)):
            raise RequestError(f"the {name} split holds values that are not finite")


def collapse(report: Mapping[str, Any]) -> str:
    """Return what is wrong with a network that has learned nothing, or an empty text."""
    if "diverged" in report:
        return f"training diverged in epoch {report['diverged']}, use a smaller learning_rate"
    if report["output_variation"] < LEAST_VARIATION:
        return "the output does not vary with the sample"
    if report["validation_error"] >= report["constant_error"]:
        errors = f"{report['validation_error']:.3g} against {report['constant_error']:.3g}"
        return f"it reconstructs no better than one constant sample (error {errors})"
    return ""


def detection(detector: Detector, dataset: Dataset) -> dict[str, float]:
    """Return how well e(x) tells anomalous test samples from normal ones, where there are labels of
    both kinds.
    """
    labels = dataset.test_labels
    if labels is None or labels.all() or not labels.any():
        return {}
    from sklearn.metrics import average_precision_score, roc_auc_score

    error = detector.error(dataset.test).double().numpy()
    return {
        "roc_auc": float(roc_auc_score(labels, error)),
        "average_precision": float(average_precision_score(labels, error)),
        "anomalous_share": float(labels.mean()),
    }


def _start(
    dataset: Dataset, build: Build, seed: int, progress: Progress, device: str, softly: bool
) -> Detector:
    untrained = build(seed)
    softened = softly and soften(untrained.model, moments(dataset.train)[0])
    training, model = untrained.training, untrained.model.to(device)
    detector = Detector(model, training.loss, dataset.features)
    one = torch.as_tensor(np.array(dataset.train[:1]), device=device)
    with evaluation_mode(model.modules()):
        work = training.batch_size * detector.activation_bytes(one)
    with few_threads(work), torch.random.fork_rng(devices=[] if device == "cpu" else None):
        torch.manual_seed(seed)
        report = _train(detector, training, dataset, seed, progress, softly)
    detector.report = report | {
        **({"softened": True} if softened else {}),
        "constant_error": constant_error(detector, dataset),
        "output_variation": output_variation(detector, dataset.validation),
    }
    return detector


def _start_seed(seed: int, start: int) -> int:
    """Return the seed itself first, then others that follow from it."""
    return seed if start == 0 else int(np.random.SeedSequence([seed, start]).generate_state(1)[0])


@contextmanager
def few_threads(batch_bytes: int) -> Iterator[None]:
    """Use one thread where a batch is small: threads that wait for each other cost more than they
    bring.

    On two cores a small table trained equally fast with one thread or two, and four times slower
    with two as soon as another process wanted a core.
    """
    threads = torch.get_num_threads()
    if batch_bytes < SMALL_BATCH:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _train(
    detector: Detector,
    training: Training,
    dataset: Dataset,
    seed: int,
    progress: Progress,
    softly: bool,
) -> dict[str, Any]:
    train, validation = dataset.train, dataset.validation
    optimizer = torch.optim.Adam(detector.model.parameters(), lr=training.learning_rate)
    generator = torch.Generator().manual_seed(seed)
    best, best_epoch, weights, epoch = (
        float("inf"),
        0,
        copy.deepcopy(detector.model.state_dict()),
        0,
    )
    report: dict[str, Any] = {}
    schedule, steps = growing(optimizer) if softly else None, itertools.count(1)

    def after() -> bool:
        """Let the rate grow, and say whether the network has died in its first steps."""
        if schedule is not None:
            schedule.step()
        return next(steps) <= EARLY and _dead(detector, validation)

    epochs = training.epochs if _trainable(detector.model) else 0
    order = _epochs(train, generator, training, detector.device)
    for epoch, batches in zip(range(1, epochs + 1), order, strict=False):
        error = _epoch(detector, optimizer, batches, after)
        if not np.isfinite(error):
            report["diverged"] = epoch
            break
        now = float(detector.error(validation).mean())
        if now < best * (1 - LEAST_GAIN):
            best, best_epoch, weights = now, epoch, copy.deepcopy(detector.model.state_dict())
        progress(f"validation error {best:.3g} at epoch {best_epoch}", epoch / training.epochs)
        if epoch - best_epoch >= training.patience or _dead(detector, validation):
            break
    detector.model.load_state_dict(weights)
    detector.model.eval()
    return report | {
        "epochs": epoch,
        "best_epoch": best_epoch,
        "stopped": _reason(epoch, epochs),
        "train_error": float(detector.error(train).mean()),
        "validation_error": float(detector.error(validation).mean()),
    }


def _trainable(model: torch.nn.Module) -> bool:
    """Whether a model has weights to train; those that are set by hand are frozen."""
    return any(parameter.requires_grad for parameter in model.parameters())


def _reason(epoch: int, epochs: int) -> str:
    """Return why training ended after this epoch."""
    if epochs == 0:
        return "nothing to train"
    return "epochs used up" if epoch == epochs else "early"


def _epochs(
    train: Rows, generator: torch.Generator, training: Training, device: torch.device
) -> Iterator[Iterator[torch.Tensor]]:
    """Yield the batches of epoch after epoch: of one pass over the rows each, or `steps_per_epoch`
    of passes that go on in the next epoch.
    """

    def one_pass() -> Iterator[torch.Tensor]:
        return _pass(train, generator, training.batch_size, device)

    endless = itertools.chain.from_iterable(one_pass() for _ in itertools.count())
    steps = training.steps_per_epoch
    while True:
        yield one_pass() if steps is None else itertools.islice(endless, steps)


def _pass(
    train: Rows, generator: torch.Generator, batch_size: int, device: torch.device
) -> Iterator[torch.Tensor]:
    """Yield all rows once, in batches and in random order."""

    def order(count: int) -> NDArray[np.int64]:
        return torch.randperm(count, generator=generator).numpy()

    for pool in shuffled(train, order):
        yield from _batches(torch.as_tensor(pool).to(device), batch_size)


def _epoch(
    detector: Detector,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[torch.Tensor],
    after: Callable[[], bool] = lambda: False,
) -> float:
    """Take one step per batch and return the last batch's error; it ends where `after` a step says
    so.
    """
    detector.model.train()
    penalty = getattr(detector.model, "penalty", None)
    loss = torch.zeros(())
    for batch in batches:
        loss = detector.error_share(batch, detector.model(batch)).sum() / len(batch)
        optimizer.zero_grad()
        (loss if penalty is None else loss + penalty()).backward()
        optimizer.step()
        if after():
            break
    return float(loss.detach())


def _batches(pool: torch.Tensor, size: int) -> list[torch.Tensor]:
    """Return a pool in batches; a single sample that is left goes with the last: BatchNorm needs
    two.
    """
    batches = list(pool.split(size))
    return (
        [*batches[:-2], torch.cat(batches[-2:])]
        if len(batches) > 1 and len(batches[-1]) == 1
        else batches
    )


def _dead(detector: Detector, validation: Rows) -> bool:
    """Whether no gradient came back in the last step and the output is one constant: nothing will
    change that.
    """
    gradients = [
        parameter.grad for parameter in detector.model.parameters() if parameter.grad is not None
    ]
    if any(bool(gradient.any()) for gradient in gradients):
        return False
    return (
        len(validation) > 1
        and output_variation(detector, np.asarray(validation[:PROBE])) < LEAST_VARIATION**2
    )


def output_variation(detector: Detector, samples: Rows) -> float:
    """Return the variance of the reconstructions in units of the samples' own, summed
    over columns.
    """
    probe = np.asarray(samples[: 8 * PROBE])
    own = probe.var(axis=0, dtype=np.float64).sum()
    return (
        float(detector.reconstruct(probe).double().var(dim=0, correction=0).sum() / own)
        if own > 0
        else 1.0
    )


def constant_error(detector: Detector, dataset: Dataset) -> float:
    """Return the mean validation error of the best constant sample: the training split's mean, or
    its median for L1.
    """
    constant = torch.as_tensor(_constant(detector.loss, dataset.train)).to(detector.dtype)
    total = 0.0
    for block in blocks(dataset.validation):
        x = torch.as_tensor(block).to(detector.dtype)
        total += float(detector.error_share(x, constant.expand_as(x)).double().sum())
    return total / len(dataset.validation)


def _constant(loss: Loss, train: Rows) -> Array:
    """Return the training split's mean; for L1 the median, of a sample where there
    are many rows.
    """
    if loss == "l2":
        return moments(train)[0]
    from aexbench.rows import sample

    return np.median(sample(train, 10_000), axis=0)
