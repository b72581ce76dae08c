"""The decisions of a promotion: what is asked for, what may have happened, and when it counts as done."""

from __future__ import annotations
