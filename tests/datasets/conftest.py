from __future__ import annotations

import pytest


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The data folder; nothing of the user's own is seen or touched."""
    monkeypatch.setenv("AEXBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "own"))
    return tmp_path / "data"
