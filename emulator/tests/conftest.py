from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import requests
from trifacta_emulator import Emulator, EmulatorOptions, ManualClock, build_package

#: Exported packages of real instances, which are not part of the repository.
REAL_FOLDER = Path(
    os.environ.get("TRIFACTA_REAL_PACKAGES") or Path(__file__).parents[3] / "shared" / "packages"
).resolve()
NO_REAL_PACKAGES = f"no real packages in {REAL_FOLDER}"
NO_GOOGLE = "no apache-airflow-providers-google here; scripts/test --clients has it"
EXPORTED_AT = datetime(2023, 12, 31, 8, 30, 15, 123000, tzinfo=timezone.utc)
ADMIN = ("admin@example.com", "admin-password")


class Api:
    """Calls an emulator over real HTTP, as the administrator unless told otherwise."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.session = requests.Session()
        self.session.auth = ADMIN

    def __call__(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        return self.session.request(method, f"{self.emulator.url}{path}", timeout=30, **kwargs)

    def get(self, path: str, **kwargs: Any) -> requests.Response:
        return self("GET", path, **kwargs)

    def json(self, path: str, **params: Any) -> Any:
        response = self("GET", path, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def deployment(self, name: str = "prod") -> int:
        response = self("POST", "/v4/deployments", json={"name": name})
        assert response.status_code == 201, response.text
        return int(response.json()["id"])

    def upload(
        self, deployment_id: int, package: bytes, path: str = "releases", part: str = "data"
    ) -> Any:
        files = {part: ("flow.zip", package)}
        return self("POST", f"/v4/deployments/{deployment_id}/{path}", files=files)

    def release(self, deployment_id: int, package: bytes) -> int:
        response = self.upload(deployment_id, package)
        assert response.status_code == 201, response.text
        return int(response.json()["release"]["id"])


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def start(clock: ManualClock) -> Iterator[Callable[..., Api]]:
    """Start an emulator with the given options, on the standing clock."""
    with ExitStack() as stack:

        def _start(**options: Any) -> Api:
            emulator = Emulator(EmulatorOptions(clock=clock, **options))
            api = Api(stack.enter_context(emulator))
            stack.callback(api.session.close)
            return api

        yield _start


@pytest.fixture
def api(start: Callable[..., Api]) -> Api:
    return start()


@pytest.fixture
def package() -> bytes:
    return build_package("Orders", exported_at=EXPORTED_AT, comment="first try")


@pytest.fixture
def zip_of() -> Callable[[dict[str, str]], bytes]:
    def _zip_of(members: dict[str, str]) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, text in members.items():
                archive.writestr(name, text)
        return buffer.getvalue()

    return _zip_of


@pytest.fixture
def read_real() -> Callable[[str], bytes]:
    """Read one of the real exported packages, which are not part of the repository."""

    def _read(name: str) -> bytes:
        file = REAL_FOLDER / f"{name}.zip"
        if not file.is_file():
            pytest.skip(NO_REAL_PACKAGES)
        return file.read_bytes()

    return _read


@pytest.fixture
def rounds() -> Callable[[int], int]:
    """Say how many rounds a fuzzer makes: the number given, times FUZZ_FACTOR of the
    environment.
    """
    return lambda few: few * int(os.environ.get("FUZZ_FACTOR", "1"))


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Return a function that says something at the end of the test run, as a fuzzer does of what it
    tried."""
    return lambda text: record_property("told", text)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for report in terminalreporter.stats.get("passed", []):
        for told in [value for name, value in report.user_properties if name == "told"]:
            terminalreporter.write_line(f"{report.nodeid}: {told}")
    for reason, hint in ((NO_REAL_PACKAGES, " (TRIFACTA_REAL_PACKAGES)"), (NO_GOOGLE, "")):
        skipped = [
            one for one in terminalreporter.stats.get("skipped", []) if reason in str(one.longrepr)
        ]
        if skipped:
            terminalreporter.write_line(f"{len(skipped)} tests skipped: {reason}{hint}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the fuzzers: what takes a number of rounds."""
    for item in items:
        if "rounds" in getattr(item, "fixturenames", ()):
            item.add_marker("fuzz")
