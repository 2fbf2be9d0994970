"""The paper's size: 10 million training, 5 million validation and 10 million test rows, and the
memory that takes.

    python -m tests.benchmarks.scale                    # 2.4 GB of shards in the cache folder
    python -m tests.benchmarks.scale --train 1_000_000 --validation 500_000 --test 1_000_000

Prints rows a second of every step, the ratio of an epoch from shards to the same epoch from memory,
and the greatest anonymous memory (file pages do not count: the system takes them back when it wants
to).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from aexbench import corruptions, datasets
from aexbench.autoencoders import fitting, training
from aexbench.datasets.sql.workload import Workload, encoded, fitted
from aexbench.detector import Detector
from aexbench.rows import Rows, moments
from tests.explainers.memory import AnonymousMemory

AUTOENCODER = "mlp[widths=[64, 32, 8],batch_size=4096,epochs=1]"


@contextmanager
def step(name: str, rows: int) -> Iterator[None]:
    """Print how long a step took, and its rows a second."""
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    print(
        f"{name:<34} {rows:>12,} rows {seconds:8.1f} s {rows / seconds:>12,.0f} rows/s", flush=True
    )


def generation(blocks: int = 40) -> None:
    """Print how fast rows are generated and encoded, block by block, on one thread."""
    workload = Workload(seed=0)
    encoder = fitted(workload, 100_000)
    times = []
    for number in range(blocks):
        start = time.perf_counter()
        x = encoded(workload, encoder, "train", number * 16_384, (number + 1) * 16_384).x
        times.append(len(x) / (time.perf_counter() - start))
    print(
        f"generated and encoded: median {np.median(times):,.0f} rows/s, best {max(times):,.0f} "
        f"({blocks} blocks)"
    )


def epoch(train: Rows, columns: int) -> float:
    """Return the seconds of one epoch."""
    untrained = training.build(training.recipe(AUTOENCODER, AUTOENCODER), (columns,), seed=0)
    detector = Detector(untrained.model, "l2")
    optimizer = torch.optim.Adam(untrained.model.parameters())
    start = time.perf_counter()
    with fitting.few_threads(0):
        generator = torch.Generator().manual_seed(0)
        size = untrained.training.batch_size
        fitting._epoch(detector, optimizer, fitting._pass(train, generator, size, detector.device))
    return time.perf_counter() - start


def shards_against_memory(rows: int, rounds: int = 5) -> None:
    """Print the ratio of an epoch from shards to one from memory, taking turns, medians."""
    streamed = datasets.create(
        "sql-workload", rows=rows, validation_rows=1000, test_rows=1000, in_memory_rows=0
    ).train
    kept = np.array(streamed)
    times = np.array(
        [(epoch(streamed, kept.shape[1]), epoch(kept, kept.shape[1])) for _ in range(rounds)]
    )
    shards, memory = np.median(times, axis=0)
    print(
        f"epoch of {rows:,} rows: shards {shards:.2f} s, memory {memory:.2f} s, ratio "
        f"{shards / memory:.2f}"
    )


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, rows in (("train", 10_000_000), ("validation", 5_000_000), ("test", 10_000_000)):
        parser.add_argument(f"--{name}", type=int, default=rows)
    sizes = parser.parse_args()
    generation()
    with AnonymousMemory() as memory:
        total = sizes.train + sizes.validation + sizes.test
        with step("shards written (or found)", total):
            dataset = datasets.create(
                "sql-workload",
                rows=sizes.train,
                validation_rows=sizes.validation,
                test_rows=sizes.test,
                in_memory_rows=0,
            )
        with step("mean and spread", sizes.train):
            moments(dataset.train)
        with step("one epoch, and its report", total):
            recipe = training.recipe(AUTOENCODER, AUTOENCODER)
            detector = fitting.fit(
                dataset, lambda s: recipe.build(dataset.train.shape[1:], s), 0, lambda *_: None
            )
        with step("scored", sizes.test):
            detector.score(dataset.test)
        for name in ("null", "random", "adversarial"):
            with step(f"corrupted: {name}", 100):
                made = corruptions.create(name).generate(detector, dataset.normal, count=100)
            print(f"    found {len(made)} in {made.report['draws']} draws")
        print(f"ROC-AUC {detector.report['roc_auc']:.3f} after one epoch")
    print(
        f"anonymous memory: at most {memory.peak / 2**20:,.0f} MiB, {memory.added / 2**20:,.0f} "
        "MiB of it here"
    )
    shards_against_memory(min(sizes.train, 2_000_000))


if __name__ == "__main__":
    main()
