"""Fill in the connection form of two Airflows in a real browser, for docs/images, and see that what
it stores works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import requests
from local import free_port, stop_group
from playwright.sync_api import Browser, Locator, Page

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".build" / "screenshots"
CONN_ID = "trifacta_default"
EXAMPLE = {
    "host": "https://trifacta.example.com",
    "port": "3005",
    "login": "promoter@example.com",
    "password": "not-a-password",
}


def take_form_pictures(browser: Browser, images: Path, airflow_2: str) -> None:
    """Take them all.

    :param browser: Chromium
    :param images: where to put them
    :param airflow_2: the Python that has Airflow 2.11; the running one has 3.3
    """
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    _airflow_2_11(browser, images, airflow_2)
    _airflow_3_3(browser, images)


def _airflow_2_11(browser: Browser, images: Path, python: str) -> None:
    home = HOME / "airflow-2.11"
    home.mkdir()
    (home / "webserver_config.py").write_text(
        'AUTH_ROLE_PUBLIC = "Admin"\n'
    )  # no login: it listens on this host only
    # Tall enough for the whole form: the page's head stays in place and would cover a part of it.
    page = browser.new_page(viewport={"width": 1000, "height": 2600})
    with _airflow(python, home, "webserver", "--workers", "1", "--hostname", "127.0.0.1") as (
        url,
        _,
    ):
        page.goto(f"{url}/connection/add")
        page.select_option(
            "#conn_type", "trifacta", force=True
        )  # hidden behind a widget that does not see the change
        page.evaluate("$('#conn_type').trigger('change')")
        page.fill("#conn_id", CONN_ID)
        for name, value in EXAMPLE.items():
            page.fill(f"#{name}", value)
        page.locator("#extra__trifacta__upload_timeout").wait_for()
        page.locator("#password").blur()
        page.wait_for_timeout(1000)
        page.locator(".panel", has=page.locator("#model_form")).screenshot(
            path=images / "connection-2.11.png"
        )
    page.close()


def _airflow_3_3(browser: Browser, images: Path) -> None:
    home = HOME / "airflow-3.3"
    home.mkdir()
    page = browser.new_page(viewport={"width": 1000, "height": 2000})
    with (
        _emulator() as emulator,
        _airflow(sys.executable, home, "api-server", "--host", "127.0.0.1") as (url, variables),
    ):
        page.goto(f"{url}/connections")
        page.get_by_role("button", name="Add Connection").click()
        form = page.get_by_role("dialog")
        form.get_by_role("combobox").first.click()
        page.get_by_role("option", name="Trifacta", exact=True).click()
        _fill(form, connection_id=CONN_ID, **EXAMPLE)
        form.locator("[name=password]").blur()
        _picture(form, images / "connection-3.3-standard.png")
        form.get_by_role("button", name="Extra Fields", exact=True).click()
        form.locator("[name=element_upload_timeout]").wait_for()
        _picture(form, images / "connection-3.3-extra.png")
        form.get_by_role("button", name="Standard Fields").click()
        server = urlsplit(emulator)
        # The port on its own: Airflow 3.3.2 answers "Bad Request" to the Test button of a
        # connection without one (apache/airflow#73298).
        _fill(form, host=f"{server.scheme}://{server.hostname}", port=str(server.port))
        _fill(form, login="admin@example.com", password="admin-password")
        _save(form)
        _test(page, url, images / "connection-test.png")
        page.get_by_role("button", name="Edit Connection").click()
        form.locator("[name=host]").wait_for()
        _save(form)  # with the password's mask in its field
        command = [sys.executable, "-m", "airflow_provider_trifacta.check", CONN_ID]
        if subprocess.run(command, env=variables, check=False).returncode:
            sys.exit("The connection that was saved twice in the form does not work.")
    page.close()


def _fill(form: Locator, **values: str) -> None:
    for name, value in values.items():
        form.locator(f"[name={name}]").fill(value)


def _picture(form: Locator, path: Path) -> None:
    form.page.mouse.move(0, 0)
    form.page.wait_for_timeout(1000)  # sections open gradually, without an event to wait for
    form.screenshot(path=path)


def _save(form: Locator) -> None:
    form.get_by_role("button", name="Save").click()
    form.wait_for(state="hidden")


def _test(page: Page, url: str, path: Path) -> None:
    page.set_viewport_size({"width": 1000, "height": 440})
    page.goto(f"{url}/connections")  # without the notice of what was saved
    page.get_by_role("button", name="Test Connection").click()
    page.get_by_text("Test Connection Successful").wait_for()
    page.wait_for_timeout(500)
    page.screenshot(path=path, clip={"x": 65, "y": 110, "width": 935, "height": 330})
    page.set_viewport_size({"width": 1000, "height": 2000})


@contextmanager
def _airflow(python: str, home: Path, *server: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Run the part of Airflow that serves its pages; yield its address and the variables that lead
    to its database."""
    port = str(free_port())
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")
    } | {
        "PATH": os.pathsep.join([str(Path(python).parent), os.environ["PATH"]]),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
    }
    print(f"{home.name} starting ...", flush=True)
    with (home / "server.log").open("w") as log:
        migrate = [python, "-m", "airflow", "db", "migrate"]
        subprocess.run(migrate, env=variables, stdout=log, stderr=subprocess.STDOUT, check=True)
        command = [python, "-m", "airflow", *server, "--port", port]
        with _running(command, log.name, variables) as process:
            _wait_for(f"http://127.0.0.1:{port}", process, log.name)
            yield f"http://127.0.0.1:{port}", variables


@contextmanager
def _emulator() -> Iterator[str]:
    url_file, log = HOME / "emulator-url", str(HOME / "emulator.log")
    command = [
        sys.executable,
        "-m",
        "trifacta_emulator",
        "--port",
        "0",
        "--url-file",
        str(url_file),
    ]
    with _running(command, log, dict(os.environ)) as process:
        deadline = time.monotonic() + 60
        while not url_file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"The emulator did not start; its log is {log}")
            time.sleep(0.1)
        yield url_file.read_text().strip()


@contextmanager
def _running(
    command: list[str], log: str, variables: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server, and stop it with all that it started."""
    with Path(log).open("a") as file:
        # A session of its own: Ctrl-C reaches this script only, which stops the servers in order.
        process = subprocess.Popen(
            command, env=variables, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process
    finally:
        stop_group(process)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: str) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get(f"{url}/", timeout=5).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(1)
    sys.exit(f"Airflow did not start; its log is {log}")
