"""Pages and calls that exist in the emulator only."""

from __future__ import annotations
