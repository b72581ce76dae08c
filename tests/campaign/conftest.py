from __future__ import annotations

import sys
from pathlib import Path

from airflow_provider_trifacta._compat import KEEPS_STATE

# The modules beside this one import each other as a package, as `scripts/campaign` runs them.
sys.path.insert(0, str(Path(__file__).parent.parent))
# It runs on the newest Airflow line alone, and plays the others by leaving out the task state
# store.
collect_ignore_glob = [] if KEEPS_STATE else ["test_*.py"]
