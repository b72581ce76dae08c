from __future__ import annotations

import sys
from pathlib import Path

# The modules beside this one import each other as a package, as `scripts/campaign` runs them.
sys.path.insert(0, str(Path(__file__).parent.parent))
