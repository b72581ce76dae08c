"""Faults on demand: what goes wrong with which requests."""

from __future__ import annotations
