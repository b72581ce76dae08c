"""Hooks: from Airflow connections to clients."""

from __future__ import annotations
