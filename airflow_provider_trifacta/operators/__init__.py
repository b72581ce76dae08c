"""Operators: :mod:`.deployment`, :mod:`.release`, :mod:`.package` and :mod:`.import_rules` have all
of them.
"""

from __future__ import annotations
