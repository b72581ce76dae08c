"""Drive ``scripts/demo --ui`` and the connection forms in a real browser and take the pictures in
docs/images."""

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
DAG = "promote_flow_dev_to_prod"


def main() -> int:
    signal.signal(signal.SIGTERM, _interrupt)
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
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
    demo = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        shown = _read_addresses(demo)
        session = _api_session(shown["airflow"], shown["password"])
        _run_dag(session, shown["airflow"], "success")
        # What the demo says to do: the flow reads a file that Prod does not have.
        requests.patch(
            shown["edit"], json={"dataset_path": "/dev/returns.csv"}, timeout=30
        ).raise_for_status()
        run_id = _run_dag(session, shown["airflow"], "failed")
        page = browser.new_page(viewport={"width": 1300, "height": 900})
        page.goto(shown["prod"])
        page.screenshot(path=IMAGES / "emulator.png")
        page.set_viewport_size({"width": 2000, "height": 520})
        _log_in(page, shown["airflow"], shown["password"])
        _take_graph(page, f"{shown['airflow']}/dags/{DAG}/runs/{run_id}")
        page.close()
    finally:
        demo.terminate()  # not SIGINT, which a job in the background ignores
        demo.wait(60)


def _take_graph(page: Page, run_page: str) -> None:
    page.goto(run_page)
    page.get_by_text("promote_flow").first.wait_for()
    page.locator("button[value=graph]").click()
    page.get_by_label("Collapse Details Panel").click()
    page.get_by_test_id("expand-all-button").click()
    page.get_by_text("create_release").first.wait_for()
    page.wait_for_timeout(3000)  # the graph is laid out by script, without an event to wait for
    page.get_by_label("Fit View").click()
    page.wait_for_timeout(1000)
    page.screenshot(path=IMAGES / "promotion-graph.png")


def _read_addresses(demo: subprocess.Popen[str]) -> dict[str, str]:
    """Read what the demo prints for a person who is to click through it."""
    patterns = {
        "airflow": r"airflow +(http://[^/\s]+)\S* +login admin",
        "password": r"airflow +http\S+ +login admin, password (\S+)",
        "edit": r".* (http\S+/emulator/flows/\d+)",
        "prod": r"prod +(\S+) +shows",
    }
    shown: dict[str, str] = {}
    for line in demo.stdout or ():
        print(line, end="")
        for name, pattern in patterns.items():
            if found := re.match(pattern, line):
                shown[name] = found[1]
        if len(shown) == len(patterns):
            return shown
    sys.exit("The demo did not start.")


def _api_session(airflow: str, password: str) -> requests.Session:
    login = requests.post(
        f"{airflow}/auth/token", json={"username": "admin", "password": password}, timeout=30
    )
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
    return session


def _run_dag(session: requests.Session, airflow: str, expected: str) -> str:
    """Trigger the DAG over the API and wait until the run has ended as it should."""
    dag = f"{airflow}/api/v2/dags/{DAG}"
    deadline = time.monotonic() + 240
    while not session.get(dag, timeout=30).ok and time.monotonic() < deadline:
        time.sleep(1)  # the DAG processor has not seen the file yet
    session.patch(dag, json={"is_paused": False}, timeout=30).raise_for_status()
    run = session.post(f"{dag}/dagRuns", json={"logical_date": None, "conf": {}}, timeout=30)
    run.raise_for_status()
    run_id = run.json()["dag_run_id"]
    state = None
    while time.monotonic() < deadline and state not in ("success", "failed"):
        time.sleep(1)
        state = session.get(f"{dag}/dagRuns/{run_id}", timeout=30).json()["state"]
    if state != expected:
        sys.exit(f"The DAG run ended as {state} and not as {expected}.")
    return str(run_id)


def _log_in(page: Page, airflow: str, password: str) -> None:
    page.goto(airflow)
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_url(f"{airflow}/**")
    page.wait_for_timeout(2000)


if __name__ == "__main__":
    sys.exit(main())
