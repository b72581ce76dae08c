"""Reading a flow package, the ZIP that Trifacta exports."""

from __future__ import annotations
