"""How much memory something takes at the most: tensors, counted storage by storage, or the whole
process.
"""

from __future__ import annotations

import threading
import weakref
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Peak(TorchDispatchMode):
    """Counts the bytes of every storage that an operation makes: `total`, and `most` alive at one
    time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.alive: set[int] = set()
        self.now = self.most = self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {
            t.untyped_storage()._cdata
            for t in tree_leaves((args, kwargs))
            if isinstance(t, torch.Tensor)
        }
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage(), given)
        return result

    def _count(self, storage: torch.UntypedStorage, given: set[int]) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in given or key in self.alive:
            return
        self.alive.add(key)
        self.now += size
        self.total += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._free, key, size)

    def _free(self, key: int, size: int) -> None:
        self.alive.discard(key)
        self.now -= size


class AnonymousMemory:
    """Watches this process's anonymous memory, many times a second: file pages of memory maps do
    not count.

    `peak` is the most bytes seen, `added` the most beyond those at the start.
    """

    def __init__(self, every_s: float = 0.01) -> None:
        self.every_s, self.peak, self.first = every_s, 0, 0
        self._over = threading.Event()

    @property
    def added(self) -> int:
        return self.peak - self.first

    def __enter__(self) -> AnonymousMemory:
        self.first = self.peak = anonymous_bytes()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(self.every_s):
            self.peak = max(self.peak, anonymous_bytes())


def anonymous_bytes() -> int:
    """Return RssAnon of this process (Linux)."""
    text = Path("/proc/self/status").read_text()
    return (
        int(next(line.split()[1] for line in text.splitlines() if line.startswith("RssAnon")))
        * 1024
    )
