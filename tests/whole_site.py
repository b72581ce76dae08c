"""Done as a reader would: the files of the site's pages, in the order of the pages, in an empty
environment.

``scripts/test --site`` runs this. It takes minutes, so pytest does not collect it by its name. A
shell script of a page is run. Another file is written where its caption says. What pages take from
``example_dags`` is run by other tests.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from site_pages import ROOT, SNIPPETS, pages, shown_by

#: The ports that the pages use.
PORTS = ("3005", "3006")
LOGIN = base64.b64encode(b"admin@example.com:admin-password").decode()


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


class Reader:
    """A person with a shell, who has nothing but Python and a checkout.

    :param folder: where the person works
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ports = {port: free_port() for port in PORTS}
        self._groups: list[int] = []
        self.environment = {
            # How this machine reaches a package index.
            **{
                name: os.environ[name]
                for name in os.environ
                if re.search("^PIP_|_PROXY$", name, re.I)
            },
            "HOME": str(folder),
            "PATH": os.pathsep.join(
                [str(Path(sys.base_prefix, "bin")), "/usr/local/bin:/usr/bin:/bin"]
            ),
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    def take(self, text: str) -> str:
        """Return a text with ports that are free on this machine."""
        for port, free in self._ports.items():
            text = text.replace(port, free)
        return text

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        if "/" in name:
            path = Path(self.environment["AIRFLOW_HOME"], name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.take(text))

    def run(self, script: Path) -> str:
        """Run a script in the shell, keep the environment that it leaves, and return what it
        printed."""
        after, log = self.folder / ".environment", self.folder / f".{script.stem}.log"
        command = f"{self.take(script.read_text())}\nenv -0 > {after}"
        with log.open("w") as output:
            process = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", command],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._groups.append(process.pid)
        assert process.wait(900) == 0, f"{script.name}:\n{log.read_text()[-8000:]}"
        pairs = [one.partition("=")[::2] for one in after.read_text().split("\0") if one]
        self.environment = {
            name: value for name, value in pairs if name not in ("_", "PWD", "OLDPWD", "SHLVL")
        }
        return log.read_text()

    def prod(self, path: str) -> list[dict]:
        """Return the rows of a list in the emulated Prod."""
        url = f"http://127.0.0.1:{self._ports['3006']}/v4/{path}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(url, headers={"Authorization": f"Basic {LOGIN}"})
        return json.load(opener.open(request))["data"]

    def live(self) -> dict[str, list[int]]:
        """Return the ids of the live releases, by the name of their deployment."""
        return {
            row["name"]: [
                one["id"]
                for one in self.prod(f"releases?deploymentId={row['id']}")
                if one["active"] is True
            ]
            for row in self.prod("deployments")
        }

    def leave(self) -> None:
        """End what runs in the background."""
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGTERM)


@pytest.fixture
def reader(tmp_path):
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    for name in filter(None, files.split("\0")):
        target = tmp_path / "airflow-provider-trifacta" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
    person = Reader(tmp_path)
    yield person
    person.leave()


def test_the_pages_in_their_order(reader):
    printed, live = {}, {}
    for page in pages():
        for shown in [one for one in shown_by(page) if one.path.is_relative_to(SNIPPETS)]:
            if shown.path.stem in printed:
                continue  # the reference shows it once more
            if shown.path.suffix == ".sh":
                printed[shown.path.stem] = reader.run(shown.path)
            elif "caption" in shown.options:
                reader.write(shown.options["caption"], shown.path.read_text())
        if "start-emulators" in printed:
            live[page.stem] = reader.live()

    assert printed["check"].count("OK: ") == 2
    (first,) = live["first-dag"]["Orders"]
    assert live["first-dag"] == {"Orders": [first], "Invoices": [], "Returns": []}
    many = live["many-flows"]
    assert sorted(map(len, many.values())) == [1, 1, 1]
    assert many["Orders"] > [first]
    assert live["alerts"] == many
    assert printed["run-alert"].splitlines()[-1].startswith("rolled_back: ")
    assert live["go-back"] == {**many, "Orders": [first]}
    assert "2 passed" in printed["run-tests"]
