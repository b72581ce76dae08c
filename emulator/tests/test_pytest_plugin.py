from __future__ import annotations

import os
import subprocess
import sys

TEST = """
import requests

seen = []

def test_one(trifacta_emulator):
    seen.append(trifacta_emulator)
    trifacta_emulator.store.create_deployment("prod")
    answer = requests.get(f"{trifacta_emulator.url}/v4/deployments", auth=("admin@example.com", "admin-password"))
    assert len(answer.json()["data"]) == 1

def test_two_is_empty(trifacta_emulator):
    assert trifacta_emulator not in seen
    assert trifacta_emulator.store.deployments() == ()
"""


def test_fixture(tmp_path):
    (tmp_path / "test_it.py").write_text(TEST)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
