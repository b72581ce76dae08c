"""What an instance remembers: a module for each resource."""

from __future__ import annotations
