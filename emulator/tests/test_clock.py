from __future__ import annotations

from datetime import datetime, timedelta, timezone

from trifacta_emulator import ManualClock, iso
from trifacta_emulator.clock import iso_or_none


def test_iso():
    zone = timezone(timedelta(hours=2))
    assert iso(datetime(2019, 2, 13, 22, 15, 39, 147999, tzinfo=zone)) == "2019-02-13T20:15:39.147Z"
    assert iso(datetime(2019, 2, 13, tzinfo=timezone.utc)) == "2019-02-13T00:00:00.000Z"
    assert iso_or_none(None) is None


def test_manual_clock():
    clock = ManualClock()
    first = clock()
    assert clock() == first
    clock.advance(0.5)
    assert clock() - first == timedelta(milliseconds=500)
