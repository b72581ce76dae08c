"""The pages in a real browser: Debian's chromium, driven by playwright. ``scripts/test --browser``
has both."""

from __future__ import annotations

import shutil

import pytest
from trifacta_emulator import Emulator, EmulatorOptions, PresetFlow, RunOutcome, ServerOptions

api = pytest.importorskip(
    "playwright.sync_api", reason="no playwright here; scripts/test --browser has it"
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not shutil.which("chromium"), reason="no chromium: apt-get install chromium"
    ),
]

PHONE = {"width": 360, "height": 740}
#: Contrast of each text to the ground behind it, with the sizes of large text of WCAG 2.2 left out.
CONTRASTS = """
() => {
  const light = channels => channels.map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const ground = node => {
    for (let one = node; one; one = one.parentElement) {
      const color = parse(getComputedStyle(one).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || ['SCRIPT', 'STYLE'].includes(node.tagName)) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color).slice(0, 3)), light(ground(node))];
    found.push([walker.currentNode.data.trim(), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]);
  }
  return found;
}
"""


@pytest.fixture(scope="module")
def browser():
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield browser
        browser.close()


def furnished(**server):
    """Make an emulator with everything that a page shows."""
    options = EmulatorOptions(
        flows=(PresetFlow("Daily Orders"),), job_start_seconds=0, job_run_seconds=0
    )
    emulator = Emulator(options, server=ServerOptions(**server))
    document = {
        "flows": [{"name": "Daily Orders"}],
        "deployments": [
            {
                "name": "Orders",
                "releases": [{"flow": {"name": f"Daily Orders {n}"}} for n in range(3)],
            },
            {"name": "No releases"},
        ],
    }
    emulator.load_state(document)
    emulator.store.create_deployment("Nothing is active")
    emulator.load_state(emulator.state())
    for outcome in (
        RunOutcome(status="Complete"),
        RunOutcome(message="no such table"),
        RunOutcome(status="Canceled"),
    ):
        emulator.runs.add(outcome)
        emulator.store.run_deployment(1)
    return emulator


@pytest.fixture
def emulator():
    with furnished(name="Prod") as emulator:
        yield emulator


@pytest.fixture
def page(browser, emulator):
    """Open the page of the instance. An error in its script, or of its policy, fails the test."""
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console", lambda message: errors.append(message.text) if message.type == "error" else None
    )
    page.goto(emulator.url)
    yield page
    page.close()
    # The browser reports each answer that is an error.
    assert [error for error in errors if "Failed to load resource" not in error] == []


def refreshed(page):
    """Refresh as the page does each five seconds."""
    page.evaluate("refresh(false)")


def test_the_titles_of_two_instances_differ(browser, emulator):
    with furnished(name="Dev") as other, Emulator() as unnamed, Emulator() as another:
        titles, headings = [], []
        for one in (emulator, other, unnamed, another):
            page = browser.new_page()
            page.goto(one.url)
            titles.append(page.title())
            headings.append(page.get_by_role("heading", level=1).inner_text())
            page.close()
    assert len(set(titles)) == len(set(headings)) == 4
    assert titles[0].startswith("Prod at 127.0.0.1:")
    assert headings[1].startswith("Dev at 127.0.0.1:")


def test_a_person_activates_a_release(page, emulator):
    """As the runbook asks to practise it. The keyboard does too, and the focus stays near."""
    assert emulator.store.active_release(1).id == 103
    page.get_by_role("button", name="Activate release 101").click()
    page.get_by_role("status").get_by_text("Release 101 is active.").wait_for()
    assert emulator.store.active_release(1).id == 101
    live = page.locator("tr.active")
    assert live.count() == 1
    assert live.get_by_role("rowheader").inner_text() == "101"
    page.get_by_role("button", name="Activate release 102").focus()
    page.keyboard.press("Enter")
    page.get_by_role("status").get_by_text("Release 102 is active.").wait_for()
    assert [event.what for event in emulator.store.events()][-1] == "release activated"


def test_a_deleted_release_is_not_activated(page, emulator):
    emulator.store.delete_release(101)
    page.get_by_role("button", name="Activate release 101").click()
    page.get_by_role("status").get_by_text("Release 101 was not changed").wait_for()
    assert emulator.store.active_release(1).id == 103


def test_with_an_admin_token(browser):
    with furnished(admin_token="open-sesame") as emulator:
        page = browser.new_page()
        page.goto(emulator.url)
        for token in ("wrong", "open-sesame"):
            if token == "wrong":
                page.get_by_role("button", name="Activate release 101").click()
            page.get_by_label("Admin token").fill(token)
            page.get_by_role("status").get_by_role("button").click()
            if token == "wrong":
                page.wait_for_function("document.querySelector('#said input')?.value === ''")
                assert emulator.store.active_release(1).id == 103
        page.get_by_role("status").get_by_text("Release 101 is active.").wait_for()
        assert emulator.store.active_release(1).id == 101
        page.close()


@pytest.mark.parametrize("path", ["/", "/deployments/1", "/jobs/16001"])
def test_on_a_phone(browser, emulator, path):
    """The live state is in sight, and the page does not scroll sideways."""
    page = browser.new_page(viewport=PHONE)
    page.goto(f"{emulator.url}{path}")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    badges = page.locator(".badge").all()
    assert badges
    for badge in badges:
        box = badge.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
        assert box["height"] < 30, "it is on one line"
    page.close()


@pytest.mark.parametrize(
    "path",
    ["/", "/deployments/1", "/deployments/2", "/deployments/3", "/jobs/16001", "/jobs/16002"],
)
def test_contrast(browser, emulator, path):
    page = browser.new_page()
    page.goto(f"{emulator.url}{path}")
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) >= 5
    assert [(text, round(ratio, 2)) for text, ratio in contrasts if ratio < 4.5] == []
    page.close()


@pytest.mark.parametrize("path", ["/", "/deployments/1", "/jobs/16002"])
def test_for_a_screen_reader(browser, emulator, path):
    """One main heading, then sections; each table has a name, heads of columns and of rows."""
    page = browser.new_page()
    page.goto(f"{emulator.url}{path}")
    levels = [
        int(one.evaluate("node => node.tagName.slice(1)"))
        for one in page.get_by_role("heading").all()
    ]
    assert levels[0] == 1
    assert set(levels[1:]) == {2}
    for role in ("banner", "main"):
        assert page.get_by_role(role).count() == 1
    tables = page.get_by_role("table").all()
    assert tables
    for table in tables:
        assert table.evaluate("node => node.caption.textContent.trim()")
        columns = table.get_by_role("columnheader").all()
        assert all(column.inner_text().strip() for column in columns)
        rows = table.locator("tbody tr").all()
        assert all(row.get_by_role("rowheader").count() == 1 for row in rows)
        assert {row.locator("th, td").count() for row in rows} == {len(columns)}
    page.close()


def test_a_refresh_keeps_the_place(page, emulator):
    """Scroll position, focus and a selection stay; what did not change is not touched."""
    page.set_viewport_size({"width": 800, "height": 300})
    page.locator("#job-16001").scroll_into_view_if_needed()
    page.locator("#job-16001").focus()
    page.evaluate(
        "document.getElementById('deployment-1').kept = true;"
        " document.getElementById('history').kept = true"
    )
    before = page.evaluate("scrollY")
    emulator.store.rename_deployment(2, "Renamed")
    refreshed(page)
    page.get_by_text("Renamed").first.wait_for()
    assert before > 0
    assert abs(page.evaluate("scrollY") - before) < 60
    assert page.evaluate("document.activeElement.id") == "job-16001"
    assert page.evaluate(
        "[document.getElementById('deployment-1').kept, document.getElementById('history').kept]"
    ) == [
        True,
        None,
    ]
    page.evaluate(
        "getSelection().selectAllChildren(document.querySelector('#deployment-1 td.code'))"
    )
    emulator.store.rename_deployment(2, "Renamed again")
    refreshed(page)
    assert page.evaluate("String(getSelection())")
    assert page.get_by_text("Renamed again").count() == 0
    page.evaluate("getSelection().removeAllRanges()")
    refreshed(page)
    page.get_by_text("Renamed again").first.wait_for()


def test_new_and_gone_sections(page, emulator):
    order = "[...document.getElementById('sections').children].map(one => one.id)"
    before = page.evaluate(order)
    emulator.store.create_deployment("Newest")
    emulator.store.delete_deployment(2)
    refreshed(page)
    page.get_by_role("heading", name="Newest").wait_for()
    after = page.evaluate(order)
    page.reload()
    assert page.evaluate(order) == after
    assert set(before) - set(after) == {"deployment-2"}


def test_it_refreshes_by_itself(page, emulator):
    emulator.store.rename_deployment(1, "By itself")
    page.get_by_role("heading", name="By itself").wait_for(timeout=15_000)


def test_foreign_names_are_text(browser):
    evil = "<img src=x onerror=document.title='owned'>"
    with Emulator(server=ServerOptions(name=evil)) as emulator:
        emulator.store.create_deployment(evil)
        emulator.load_state(
            {
                "deployments": [
                    {"name": evil, "releases": [{"flow": {"name": evil, "description": evil}}]}
                ]
            }
        )
        page = browser.new_page()
        page.goto(emulator.url)
        emulator.store.rename_deployment(1, f"{evil}2")
        refreshed(page)
        page.get_by_role("heading", level=2).first.get_by_text("2").wait_for()
        assert page.locator("img").count() == 0
        assert not page.title().startswith("owned")
        page.close()


def test_no_page_is_shown_in_a_frame(browser, emulator):
    page = browser.new_page()
    page.set_content(f'<iframe src="{emulator.url}"></iframe>')
    page.wait_for_timeout(500)
    assert len(page.frames) == 2
    assert page.frames[1].url.startswith("chrome-error:")
    page.close()
