"""The Python of the README is run. A function in which the reader runs something of their own is
only defined."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import FunctionType

import pytest
import trifacta_emulator as package
from trifacta_emulator import Emulator, EmulatorOptions, PresetFlow
from trifacta_emulator.__main__ import emulator_of
from trifacta_emulator.options import DEFAULT_USERS, User

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
#: Those with Airflow are run by the provider's tests.
BLOCKS = [
    block
    for block in re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
    if not re.search("airflow|promote", block)
]
JSON = re.findall(r"^```json\n(.*?)^```", README, re.M | re.S)
COMPOSE = (Path(__file__).parents[1] / "compose.yaml").read_text(encoding="utf-8")
USERS = (*DEFAULT_USERS, User("pipeline@example.com", "pipeline-password"))


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_block_runs(block, trifacta_emulator):
    with Emulator(EmulatorOptions(users=USERS, flows=(PresetFlow("Daily Orders"),))) as emulator:
        # A block without imports goes on from what the page said before it.
        public = {name: getattr(package, name) for name in package.__all__}
        names = {} if "import" in block else {"store": emulator.store, **public}
        exec(block, names)
        tests = [
            one
            for name, one in names.items()
            if isinstance(one, FunctionType) and name.startswith("test_")
        ]
        assert tests or "import" not in block
        for test in tests if "\n    ..." not in block else []:
            test(trifacta_emulator)


def test_the_state_by_hand_is_read(trifacta_emulator):
    [document] = [json.loads(block) for block in JSON if '"users"' in block]
    trifacta_emulator.load_state(document)
    assert trifacta_emulator.store.active_release(1)
    assert set(trifacta_emulator.state()) >= set(document)
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[^|]+) \| ", README, re.M))))
    assert set(trifacta_emulator.state()) - {"version"} <= named


def test_the_compose_file_starts_what_it_says():
    commands = re.findall(r"exec trifacta-emulator (.*?)\"", COMPOSE, re.S)
    emulators = [emulator_of(["--port", "0", *command.split()]) for command in commands]
    assert [one.options.instance_type for one in emulators] == ["dev", "prod"]
    assert [len(one.store.flows()) + len(one.store.deployments()) for one in emulators] == [1, 1]
