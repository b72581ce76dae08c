"""Apache Airflow provider for Trifacta (Alteryx Designer Cloud, self-managed): promote flows to
production.
"""

from __future__ import annotations

__version__ = "0.1.0"
