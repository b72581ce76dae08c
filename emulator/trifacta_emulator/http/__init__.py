"""How requests arrive: the connection, the log of calls, and this machine's own addresses."""

from __future__ import annotations
