"""An emulator like an instance: reads the report that the probe of the Airflow provider writes.

Its ``options`` are options of the emulator by name. Its ``scene`` tells what the probe found on the
instance, since that decides what the probe could test.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from trifacta_emulator.checks import check, check_int
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
        parts = [
            report.get(name) if isinstance(report, dict) else None for name in ("options", "scene")
        ]
        check(all(isinstance(one, dict) for one in parts), f"{path} is not a report of the probe")
        #: Options by name. Their values are checked when they are used.
        self.options: dict[str, Any] = parts[0]  # type: ignore[assignment]
        self._scene: Mapping[str, Any] = parts[1]  # type: ignore[assignment]
        unknown = sorted(self.options.keys() - {"product_version", *choices()})
        check(not unknown, f"{path} has unknown options: {', '.join(unknown)}")
        version, roles = self.options.get("product_version", ""), self._scene.get("roles") or []
        check(
            isinstance(version, str) and isinstance(roles, list),
            f"{path} is not a report of the probe",
        )
        for name in _COUNTS:
            if self._scene.get(name) is not None:
                check_int(f"scene.{name} of {path}", self._scene[name], 0, _MOST)

    @property
    def users(self) -> tuple[User, ...]:
        """The default users. The first one has the roles of the probe's user."""
        roles = self._scene.get("roles")
        if roles is None:
            return DEFAULT_USERS
        return (replace(DEFAULT_USERS[0], roles=tuple(roles)), *DEFAULT_USERS[1:])

    @property
    def flows(self) -> tuple[PresetFlow, ...]:
        """As many flows as the probe reported."""
        return tuple(PresetFlow(f"Flow {number + 1}") for number in range(self._count("flows")))

    def furnish(self, store: Store) -> None:
        """Make deployments, releases and a job group, as many as the probe reported.

        :param store: of a new emulator
        """
        if self._count("job_groups"):
            past = store.create_deployment("Earlier deployment")
            self._release(store, past.id)
            store.run_deployment(past.id)
            store.delete_deployment(past.id)
        made = [
            store.create_deployment(f"Deployment {number + 1}")
            for number in range(self._count("deployments"))
        ]
        for _ in range(self._count("releases") if made else 0):
            self._release(store, made[-1].id)

    def _count(self, name: str) -> int:
        return self._scene.get(name) or 0

    @staticmethod
    def _release(store: Store, deployment_id: int) -> None:
        options = store.state.options
        package = build_package(
            generation=generation_of(parse_version(options.product_version).release),
            product_version=options.product_version,
            edition=options.edition,
        )
        store.create_release(deployment_id, read_package(io.BytesIO(package)))
