"""Drive ``scripts/demo --ui`` and the connection forms in a real browser and take the pictures in docs/images."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import requests
from playwright.sync_api import Browser, Page, sync_playwright
from screenshots_form import take_form_pictures

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"


def main() -> int:
    signal.signal(signal.SIGTERM, _interrupt)
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        _take_demo_pictures(browser)
        take_form_pictures(browser, IMAGES, airflow_2=sys.argv[1])
        browser.close()
    print(*sorted(path.relative_to(ROOT) for path in IMAGES.glob("*.png")), sep="\n")
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _take_demo_pictures(browser: Browser) -> None:
    command = [sys.executable, "scripts/demo.py", "--ui"]
    # A session of its own: Ctrl-C reaches this script only, and the demo is asked to stop once.
    demo = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        airflow, password, emulator = _read_addresses(demo)
        run_id = _run_dag(airflow, password)
        page = browser.new_page(viewport={"width": 1300, "height": 720})
        page.goto(emulator)
        page.screenshot(path=IMAGES / "emulator.png")
        _log_in(page, airflow, password)
        page.goto(f"{airflow}/dags/promote_package/runs/{run_id}")
        page.get_by_text("create_release").first.wait_for()
        page.wait_for_timeout(3000)  # the graph is laid out by script, without an event to wait for
        page.screenshot(path=IMAGES / "dag-run.png")
        page.close()
    finally:
        demo.terminate()  # not SIGINT, which a job in the background ignores
        demo.wait(60)


def _read_addresses(demo: subprocess.Popen[str]) -> tuple[str, str, str]:
    airflow = password = None
    for line in demo.stdout or ():
        print(line, end="")
        if found := re.match(r"airflow +(\S+) +login admin, password (\S+)", line):
            airflow, password = found.groups()
        elif airflow and password and (found := re.match(r"emulator +(\S+)", line)):
            return airflow, password, found[1]
    sys.exit("The demo did not start.")


def _run_dag(airflow: str, password: str) -> str:
    """Trigger the DAG over the API and wait until the run is green."""
    login = requests.post(f"{airflow}/auth/token", json={"username": "admin", "password": password}, timeout=30)
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
    dag = f"{airflow}/api/v2/dags/promote_package"
    deadline = time.monotonic() + 180
    while not session.get(dag, timeout=30).ok and time.monotonic() < deadline:
        time.sleep(1)  # the DAG processor has not seen the file yet
    session.patch(dag, json={"is_paused": False}, timeout=30).raise_for_status()
    run = session.post(f"{dag}/dagRuns", json={"logical_date": None, "conf": {}}, timeout=30)
    run.raise_for_status()
    run_id = run.json()["dag_run_id"]
    while time.monotonic() < deadline:
        state = session.get(f"{dag}/dagRuns/{run_id}", timeout=30).json()["state"]
        if state == "success":
            return str(run_id)
        if state == "failed":
            break
        time.sleep(1)
    sys.exit(f"The DAG run did not succeed: {state}")


def _log_in(page: Page, airflow: str, password: str) -> None:
    page.goto(airflow)
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_url(f"{airflow}/**")
    page.wait_for_timeout(2000)


if __name__ == "__main__":
    sys.exit(main())
