from __future__ import annotations

from dataclasses import replace

import pytest
from trifacta_emulator import EmulatorOptions, MissingObjectError
from trifacta_emulator.records import Deployment
from trifacta_emulator.state.state import State


def test_bad_product_version():
    with pytest.raises(ValueError, match="not a product version"):
        State(EmulatorOptions(product_version="latest"))


def test_a_table_finds_what_it_keeps(clock):
    table = State(EmulatorOptions(clock=clock)).deployments
    kept = Deployment(1, "prod", clock(), clock(), 1, 1)
    assert table.put(kept) is kept
    assert (table.find(1), table.all()) == (kept, (kept,))
    table.put(replace(kept, deleted_at=clock()))
    assert table.all() == ()
    assert table.find(1, include_deleted=True).deleted_at == clock()
    for object_id, reason in ((1, "deleted"), (2, "unknown")):
        with pytest.raises(MissingObjectError) as caught:
            table.find(object_id)
        assert caught.value.reason == reason
