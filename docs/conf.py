"""The documentation as a site: ``scripts/docs`` builds it with Sphinx."""

from __future__ import annotations

from airflow_provider_trifacta import __version__

project = "airflow-provider-trifacta"
author = "The airflow-provider-trifacta authors"
project_copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "furo"
html_title = f"Trifacta provider {version}"

# Headings get the anchors that GitHub gives them, so that the pages can be read there too.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
