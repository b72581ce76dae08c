"""Triggers: waits that hold no worker slot."""

from __future__ import annotations
