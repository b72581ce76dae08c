"""An emulator like an instance: reads the report that the probe of the Airflow provider writes.

Its ``options`` are options of the emulator by name. Its ``scene`` tells what the probe found on the
instance, since that decides what the probe could test.
"""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from trifacta_emulator.checks import check, check_int_or_none
from trifacta_emulator.options import DEFAULT_USERS, PresetFlow, User, choices
from trifacta_emulator.packages.builder import build_package
from trifacta_emulator.packages.definition import parse_version
from trifacta_emulator.packages.generations import generation_of
from trifacta_emulator.packages.reader import read_package
from trifacta_emulator.state.store import Store

#: What a scene counts, and the largest number.
_COUNTS = ("flows", "deployments", "releases", "job_groups")
_MOST = 100
#: Longest file: a state document holds the flows of all releases.
_MOST_BYTES = 64 * 1024 * 1024


def read_json(path: Path) -> Any:
    """Read a JSON file that somebody else may have written.

    :param path: the file
    :raises OSError: it cannot be read
    :raises ValueError: it is no regular file, is too long, or is not JSON
    """
    check(path.is_file(), f"{path} is not a file")
    check(path.stat().st_size <= _MOST_BYTES, f"{path} has more than {_MOST_BYTES} bytes")
    return json.loads(path.read_text(encoding="utf-8"))


class Likeness:
    """A report of the probe.

    :param path: the file
    :raises OSError: it cannot be read
    :raises ValueError: it is not such a report, or names an option that does not exist
    """

    def __init__(self, path: Path) -> None:
        report = read_json(path)
        check(isinstance(report, dict), f"{path} is not a report of the probe")
        #: Options by name. Their values are checked when they are used.
        self.options = _object(report, "options", path)
        self._scene = _object(report, "scene", path)
        version = self.options.get("product_version", "")
        roles = self._scene.get("roles") or []
        valid = isinstance(version, str) and isinstance(roles, list)
        check(valid, f"{path} is not a report of the probe")
        known = {"product_version", *choices()}
        unknown = ", ".join(sorted(self.options.keys() - known))
        check(not unknown, f"{path} has unknown options: {unknown}")
        for name in _COUNTS:
            number = self._scene.get(name)
            check_int_or_none(f"scene.{name} of {path}", number, 0, _MOST)

    @property
    def users(self) -> tuple[User, ...]:
        """The default users. The first one has the roles of the probe's user."""
        roles = self._scene.get("roles")
        if roles is None:
            return DEFAULT_USERS
        first, *others = DEFAULT_USERS
        return (replace(first, roles=tuple(roles)), *others)

    @property
    def flows(self) -> tuple[PresetFlow, ...]:
        """As many flows as the probe reported."""
        flows = []
        for number in range(self._count("flows")):
            flows.append(PresetFlow(f"Flow {number + 1}"))
        return tuple(flows)

    def furnish(self, store: Store) -> None:
        """Make deployments, releases and a job group, as many as the probe reported.

        :param store: of a new emulator
        """
        if self._count("job_groups"):
            past = store.create_deployment("Earlier deployment")
            self._release(store, past.id)
            store.run_deployment(past.id)
            store.delete_deployment(past.id)
        last = None
        for number in range(self._count("deployments")):
            last = store.create_deployment(f"Deployment {number + 1}")
        if last is not None:
            for _ in range(self._count("releases")):
                self._release(store, last.id)

    def _count(self, name: str) -> int:
        return self._scene.get(name) or 0

    @staticmethod
    def _release(store: Store, deployment_id: int) -> None:
        options = store.state.options
        version = parse_version(options.product_version)
        archive = build_package(
            generation=generation_of(version.release),
            product_version=options.product_version,
            edition=options.edition,
        )
        store.create_release(deployment_id, read_package(io.BytesIO(archive)))


def _object(report: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    part = report.get(name)
    if not isinstance(part, dict):
        raise ValueError(f"{path} is not a report of the probe")
    return part
