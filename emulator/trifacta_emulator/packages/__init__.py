"""Flow packages: reading, importing, building and writing them."""

from __future__ import annotations
