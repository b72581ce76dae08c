"""Import rules: which ones a deployment accepts, and what they change."""

from __future__ import annotations
