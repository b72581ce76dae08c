"""A probe: what does a real instance do where the vendor's documents are silent? See
``docs/reference/probe.md``.
"""

from __future__ import annotations
