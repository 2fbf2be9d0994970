"""Where a result comes from: versions, commit, hardware, threads. No host names, no paths."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aexbench.registry import Registry
    from aexbench.running.store import Record

PACKAGES = ("aexbench", "torch", "numpy", "scikit-learn")
OPTIONAL = ("captum", "lime", "scikit-image", "shap")  # named where they are installed


def provenance(device: str = "cpu", jobs: int = 1) -> dict[str, Any]:
    """Return what is known of the software and the machine; `hardware` decides which times may be
    compared.
    """
    return {"time": datetime.now(UTC).isoformat(timespec="seconds"), **_constant(device, jobs)}


def other_sources(records: Iterable[Record]) -> list[str]:
    """Return the names of components whose source is another now than when records were made.

    Their version is the same, so that the records count: whoever changed the source says that the
    figures stay. Components that are not known here are left out.
    """
    from aexbench import families  # what reads records alone needs no plugin
    from aexbench.versions import stage

    registries: dict[str, Registry[Any, Any]] = {
        "dataset": families.datasets,
        "detector": families.autoencoders,
        "corruption": families.corruptions,
        "explainer": families.explainers,
    }
    found = set()
    for part, name, version, digest in _made_by(records, registries):
        registry = registries[part]
        if name not in registry.names():
            continue
        plugin = registry.describe(name)
        same_version = version == f"{stage(registry.family)}.{plugin.version}"
        if same_version and plugin.digest != digest:
            found.add(f"{registry.family} {name}")
    return sorted(found)


def _made_by(records: Iterable[Record], parts: Iterable[str]) -> set[tuple[str, str, str, str]]:
    """Return the parts, names, versions and digests of the components whose source records know."""
    found = set()
    for record in records:
        sources = record.provenance.get("sources")
        if not isinstance(sources, dict):
            continue
        for part in parts:
            if (digest := sources.get(part)) is not None:
                made = getattr(record.cell, part)
                found.add((part, made.name, made.version, str(digest)))
    return found


@functools.cache
def _constant(device: str, jobs: int) -> dict[str, Any]:
    return {
        "versions": {"python": platform.python_version(), **_versions()},
        "commit": commit(),
        "system": f"{platform.system()} {platform.machine()}",
        "hardware": hardware(device, jobs),
    }


def hardware(device: str = "cpu", jobs: int = 1) -> dict[str, Any]:
    """Return the machine as times depend on it."""
    import torch

    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if device.startswith("cuda") else None,
        "threads": torch.get_num_threads(),
        "jobs": jobs,
    }


def _versions() -> dict[str, str]:
    installed = [name for name in OPTIONAL if next(iter(metadata.distributions(name=name)), None)]
    return {name: metadata.version(name) for name in (*PACKAGES, *installed)}


def describe(hardware: object) -> str:
    """Return a machine in one line; what a stranger's record says instead is an unknown machine."""
    if not isinstance(hardware, dict):
        return "an unknown machine"
    gpu = f", {hardware['gpu']}" if hardware.get("gpu") else ""
    many = jobs(hardware)
    parallel = f", {many} jobs in parallel" if many != 1 else ""
    return (
        f"{hardware.get('cpu')}, {hardware.get('cores')} cores, {hardware.get('threads')} "
        f"threads{parallel}{gpu}"
    )


def jobs(hardware: object) -> object:
    """Return how many cells ran at once on a machine, as its record says."""
    return (hardware.get("jobs") or 1) if isinstance(hardware, dict) else 1


def cpu_name() -> str:
    """Return the processor's name as the system has it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit() -> str | None:
    """Return the commit of the checkout that this package runs from, `+` if it has changes; None
    when installed.
    """
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return None
    try:
        head = _git(folder, "rev-parse", "HEAD")
        return head + ("+" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):  # no git, or a checkout without a commit
        return None


def _git(folder: Path, *arguments: str) -> str:
    run = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=10
    )
    return run.stdout.strip()
