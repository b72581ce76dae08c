"""The documentation as a site: ``scripts/test --docs`` builds it with Sphinx into
``.build/site``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from airflow_provider_trifacta import __version__

ROOT = Path(__file__).resolve().parent.parent

project = "airflow-provider-trifacta"
author = "The airflow-provider-trifacta authors"
project_copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "furo"
html_title = f"Trifacta provider {version}"
html_show_sourcelink = False
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
    ("py:.*", r"(airflow|collections|logging|os|pendulum|typing|zipfile)\..*"),
    ("py:.*", r"AirflowFailException|BaseOperator|datetime(\..*)?|timedelta"),
    # Types of this project that only its own modules make, in the signature of something public.
    (
        "py:class",
        r"(airflow_provider_trifacta\..*\.)?(Body|Entry|Journal|Kind|MultipartFile|ReleaseSource)",
    ),
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

#: Where files of the repository are that are no page of the site. A hosted build sets it to the
#: repository's address.
REPOSITORY = os.environ.get("DOCS_REPOSITORY") or ROOT.as_uri()
_LINK = re.compile(r"(\]\()((?:\.\./)+[^)#\s]+)")


def link_to_the_repository(app: Any, name: str, source: list[str]) -> None:
    """Make links out of this folder absolute: GitHub follows them in the repository, but a site
    cannot.
    """
    folder = Path(app.srcdir, name).parent

    def absolute(match: re.Match[str]) -> str:
        target = (folder / match[2]).resolve()
        if target.is_relative_to(app.srcdir):
            return match[0]
        return f"{match[1]}{REPOSITORY}/{target.relative_to(ROOT).as_posix()}"

    source[0] = _LINK.sub(absolute, source[0])


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
    app.connect("source-read", link_to_the_repository)
    app.connect("autodoc-skip-member", skip_what_airflow_calls)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
