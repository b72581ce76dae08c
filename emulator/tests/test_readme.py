"""The Python of the README is run. A function in which the reader runs something of their own is only defined."""

from __future__ import annotations

import re
from pathlib import Path
from types import FunctionType

import pytest
import trifacta_emulator as package
from trifacta_emulator import Emulator, EmulatorOptions, PresetFlow
from trifacta_emulator.options import DEFAULT_USERS, User

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
USERS = (*DEFAULT_USERS, User("pipeline@example.com", "pipeline-password"))


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_block_runs(block, trifacta_emulator):
    with Emulator(EmulatorOptions(users=USERS, flows=(PresetFlow("Daily Orders"),))) as emulator:
        # A block without imports goes on from what the page said before it.
        public = {name: getattr(package, name) for name in package.__all__}
        names = {} if "import" in block else {"store": emulator.store, **public}
        exec(block, names)
        tests = [one for name, one in names.items() if isinstance(one, FunctionType) and name.startswith("test_")]
        assert tests or "import" not in block
        for test in tests if "\n    ..." not in block else []:
            test(trifacta_emulator)
