"""The documentation as a site: ``scripts/test --docs`` builds it with Sphinx into
``.build/site``.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from sphinx.search.en import SearchEnglish

from airflow_provider_trifacta import __version__

ROOT = Path(__file__).resolve().parent.parent

project = "airflow-provider-trifacta"
author = "The airflow-provider-trifacta authors"
project_copyright = author
version = release = __version__

sys.path.insert(0, str(ROOT / "docs"))
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "operator_reference"]
html_theme = "furo"
html_title = f"Trifacta provider {version}"
html_show_sourcelink = False
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False

# Headings get the anchors that GitHub gives them, so that the pages can be read there too.
myst_heading_anchors = 4

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
# Types stand beside the words about a parameter; in the signature they would hide its name.
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True

# A name in a docstring that leads nowhere is an error, with two exceptions.
nitpicky = True
nitpick_ignore_regex = [
    # Names of others, whose sites may not be reachable when this one is built.
    ("py:.*", r"(airflow|collections|logging|os|pendulum|typing|urllib|zipfile)\..*"),
    (
        "py:.*",
        r"AirflowFailException|Asset|AssetWatcher|BaseOperator|serialize|datetime(\..*)?|timedelta",
    ),
    # Types of this project that only its own modules make, in the signature of something public.
    (
        "py:class",
        r"(airflow_provider_trifacta\..*\.)?(Body|Comparison|Entry|Journal|Kind|MultipartFile)",
    ),
    ("py:class", r"(airflow_provider_trifacta\..*\.)?(Place|ReleaseSource|Scene|_Look)"),
    ("py:class", r"(airflow_provider_trifacta\..*\.)?(Standing|Store|T|Transport)"),
]

#: What Airflow calls of operators, sensors and triggers, and not a user: it would hide what is
#: worth reading.
OF_AIRFLOW = {
    "execute",
    "execute_complete",
    "resume_execution",
    "on_kill",
    "poke",
    "serialize",
    "run",
}

#: The address of the repository, for links to files that are no page of the site. Without it, as in
#: a build on one's own machine, such a link is shown as its words alone.
REPOSITORY = os.environ.get("DOCS_REPOSITORY", "")
#: The status of a failed request, and what makes the page of the search leave it out.
_STATUS = re.compile(r"[45]\d\d")
_NO_NUMBERS = r" || queryTerm.match(/^\d+$/)"
#: Files outside of this folder that are pages of the site.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "ARCHITECTURE.md": "project/architecture.md",
    "SECURITY.md": "project/security-policy.md",
    "emulator/README.md": "emulator.md",
    "example_dags": "examples.md",
}
#: A page that is a file of the repository: the directive that stands for its text.
_INCLUDE = re.compile(r"^```\{include\} (\S+)\n```$", re.M)
#: A link or picture with a relative address: its words, the address and the anchor.
_LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\[\]]*\])*\])\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def read_page(app: Any, name: str, source: list[str]) -> None:
    """Take in files of the repository that are pages, and let every link lead somewhere."""
    site = Path(app.srcdir)
    page = site / name
    include = _INCLUDE.search(source[0])
    if include:
        file = (page.parent / include[1]).resolve()
        app.env.note_dependency(str(file))
        source[0] = _INCLUDE.sub(
            lambda _: _with_links(file.read_text("utf-8"), file, page), source[0]
        )
    else:
        source[0] = _with_links(source[0], page, page)


def _with_links(text: str, file: Path, page: Path) -> str:
    """Return a text whose links lead from a page of the site.

    :param text: the text
    :param file: where the text stands
    :param page: the page that shows it
    """

    def link(match: re.Match[str]) -> str:
        words, address, anchor = match[1], match[2], match[3] or ""
        target = (file.parent / address).resolve()
        if not target.is_relative_to(ROOT / "docs"):
            target, anchor = _page_of(target, anchor)
        if target.is_relative_to(ROOT / "docs"):
            return f"{words}({os.path.relpath(target, page.parent)}{anchor})"
        if REPOSITORY:
            return f"{words}({REPOSITORY}/{target.relative_to(ROOT).as_posix()}{anchor})"
        return words.removeprefix("!")[1:-1]

    return _LINK.sub(link, text)


def _page_of(target: Path, anchor: str) -> tuple[Path, str]:
    """Return the page that shows a file of the repository, with an anchor; else the file itself."""
    path = target.relative_to(ROOT)
    if path.as_posix() in PAGES:
        return ROOT / "docs" / PAGES[path.as_posix()], anchor
    if path.parent.as_posix() == "example_dags":
        # A heading of that page is the name of the file, and its anchor has no dot.
        return ROOT / "docs" / PAGES["example_dags"], f"#{path.name.replace('.', '')}"
    return target, anchor


class SearchWithStatuses(SearchEnglish):
    """English, with the numbers that are the status of a failed request: Sphinx indexes none."""

    def word_filter(self, word: str) -> bool:
        """Tell whether a word belongs into the index."""
        return bool(_STATUS.fullmatch(word)) or super().word_filter(word)


def search_for_statuses(app: Any, error: Exception | None) -> None:
    """Let the page of the search take numbers such as 401.

    :raises RuntimeError: Sphinx has changed the condition that this takes out
    """
    script = Path(app.outdir, "_static", "searchtools.js")
    if error or not script.exists():
        return
    text = script.read_text(encoding="utf-8")
    if _NO_NUMBERS not in text:
        raise RuntimeError(f"{script.name} does not leave numbers out as this expects")
    script.write_text(text.replace(_NO_NUMBERS, ""), encoding="utf-8")


def skip_what_airflow_calls(
    _app: Any, what: str, name: str, member: Any, skip: bool, _options: Any
) -> bool | None:
    """Leave the methods out that only Airflow calls."""
    module = getattr(member, "__module__", "") or ""
    of_airflow = name in OF_AIRFLOW and module.split(".")[1:2] in (
        ["operators"],
        ["sensors"],
        ["triggers"],
    )
    return True if what == "class" and of_airflow else skip or None


def setup(app: Any) -> dict[str, bool]:
    """Connect the functions above to Sphinx."""
    app.connect("source-read", read_page)
    app.connect("autodoc-skip-member", skip_what_airflow_calls)
    app.connect("build-finished", search_for_statuses)
    app.add_search_language(SearchWithStatuses)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
