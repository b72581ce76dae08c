"""Runs the mutants of tests/contract/mutants.py: each in a copy of the package, with the tests that
must notice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from contract.mutants import MUTANTS, PACKAGE, ROOT, Mutant


def main(names: list[str]) -> int:
    """Run the mutants whose names have one of some words, or all, and print which are killed.

    :param names: the words
    :returns: the exit code: 1 if one survives, or does not run
    :raises LookupError: the text of a mutant is gone
    """
    words = [word.lower() for word in names]
    chosen = [
        mutant
        for mutant in MUTANTS
        if not words or any(word in mutant.name.lower() for word in words)
    ]
    texts = [mutant.applied() for mutant in chosen]
    ends = []
    for number, (mutant, text) in enumerate(zip(chosen, texts, strict=True), 1):
        ends.append(_run(mutant, text))
        print(f"{number:2} {ends[-1]:8} {mutant.name}", flush=True)
    killed = ends.count("killed")
    print(f"{killed} of {len(chosen)} mutants are killed")
    return int(killed < len(chosen))


def _run(mutant: Mutant, text: str) -> str:
    """Run a mutant's tests against a copy of the package with the mutant in it."""
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / PACKAGE
        shutil.copytree(ROOT / PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        (copy / mutant.file).write_text(text)
        paths = [name, str(ROOT / "emulator"), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        # The program, and not ``python -m pytest``: that would put the original package first.
        pytest = [sys.executable, str(Path(sys.executable).with_name("pytest"))]
        options = ["-x", "-q", "-p", "no:cacheprovider"]
        ended = subprocess.run(
            [*pytest, *options, *mutant.tests],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if ended.returncode == 0:
        return "survived"
    if ended.returncode == 1 and " failed" in ended.stdout:
        return "killed"
    print(ended.stdout[-2000:], ended.stderr[-2000:], sep="\n")
    return "broken"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
