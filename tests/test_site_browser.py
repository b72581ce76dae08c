"""Every page of the built site in a real browser: Debian's chromium, driven by playwright.
``scripts/test --browser`` builds the site and has both.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from site_pages import DOCS, ROOT, pages

api = pytest.importorskip(
    "playwright.sync_api", reason="no playwright here; scripts/test --browser has it"
)
SITE = Path(os.environ.get("BUILT_SITE", ROOT / ".build" / "site"))
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not shutil.which("chromium"), reason="no chromium: apt-get install chromium"
    ),
    pytest.mark.skipif(not SITE.is_dir(), reason="no site; scripts/test --docs builds it"),
]

#: A small laptop.
SCREEN = {"width": 1280, "height": 800}
NAMES = [page.relative_to(DOCS).with_suffix("").as_posix() for page in pages()]
#: Markdown that was not understood: a link, or a piece of code or bold text that did not end.
RAW_MARKDOWN = re.compile(r"\]\(|```|\*\*\w")
#: Blocks of code whose text is wider than their frame.
TOO_WIDE = """
() => [...document.querySelectorAll('.highlight pre')]
  .filter(block => block.scrollWidth > block.clientWidth + 1)
  .map(block => block.innerText.split('\\n').sort((a, b) => b.length - a.length)[0])
"""
#: Blocks of code without a button that copies them.
WITHOUT_BUTTON = """
() => [...document.querySelectorAll('.highlight')]
  .filter(block => !block.querySelector('button.copybtn')).length
"""
#: Text of the page without what is code.
PROSE = """
() => {
  const body = document.querySelector('article').cloneNode(true);
  body.querySelectorAll("pre, code, dt.sig").forEach(code => code.remove());
  return body.textContent;
}
"""
BROKEN_PICTURES = """
() => [...document.images].filter(image => !image.complete || !image.naturalWidth)
  .map(image => image.src)
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site_url():
    """Serve the site; the search only works over HTTP."""
    handler = functools.partial(_Quiet, directory=str(SITE))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def page():
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport=SCREEN)
        yield page
        browser.close()


@pytest.mark.parametrize("name", ["index", *NAMES])
def test_a_page_is_readable(page, site_url, name):
    page.goto(f"{site_url}/{name}.html")
    page.wait_for_load_state("networkidle")
    assert not RAW_MARKDOWN.search(page.evaluate(PROSE))
    assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate(WITHOUT_BUTTON) == 0
    assert page.evaluate(BROKEN_PICTURES) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= SCREEN["width"]


@pytest.mark.parametrize("number", ["401", "403", "404", "409", "413", "429", "503"])
def test_the_search_finds_a_status(page, site_url, number):
    page.goto(f"{site_url}/search.html?q={number}")
    results = page.locator("#search-results ul.search li a")
    results.first.wait_for()
    targets = [link.get_attribute("href") for link in results.all()]
    assert any(target.startswith(("faq.html", "reference/errors.html")) for target in targets)


def test_the_page_of_the_task_group_shows_no_internals(page, site_url):
    page.goto(f"{site_url}/reference/task-groups.html")
    names = [element.get_attribute("id") for element in page.locator("dt.sig").all()]
    group = "airflow_provider_trifacta.task_groups.PromotionGroup"
    assert set(names) == {
        "airflow_provider_trifacta.task_groups.promote_flow",
        group,
        f"{group}.promoted",
        f"{group}.output",
    }
    assert page.locator("dt.sig .sig-param").count() == 0


def test_the_index_has_one_picture_and_one_piece_of_code_on_the_first_screen(page, site_url):
    page.goto(f"{site_url}/index.html")
    page.wait_for_load_state("networkidle")
    for kind in ("article img", "article .highlight pre"):
        elements = page.locator(kind).all()
        assert len(elements) == 1
        box = elements[0].bounding_box()
        assert box["y"] + box["height"] <= SCREEN["height"]
