from __future__ import annotations

import gc

import pytest

from aexbench.garbage import uncollected


def test_collections_go_on_after_the_block_also_after_an_error():
    seen = []

    @uncollected()
    def failing() -> None:
        seen.append(gc.isenabled())
        raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert (seen, gc.isenabled()) == ([False], True)


def test_who_has_turned_them_off_keeps_them_off():
    gc.disable()
    try:
        with uncollected(), uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
