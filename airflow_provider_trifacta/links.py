"""Links from a task's page in Airflow to Trifacta's own pages."""

from __future__ import annotations

from typing import Any

from ._compat import BaseOperatorLink, XCom

#: The XCom key that holds the address of a deployment's page.
DEPLOYMENT_URL_KEY = "deployment_url"
#: The XCom key that holds the addresses of job groups' pages, in a list.
JOB_URLS_KEY = "job_urls"


class TrifactaDeploymentLink(BaseOperatorLink):
    """Opens the deployment's page, where Trifacta shows its releases.

    It only reads an XCom. So it needs no connection and no network, and works for failed tasks too.
    """

    name = "Trifacta deployment"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002
        """Return the address, or an empty text if the task ended before it knew the deployment."""
        url = XCom.get_value(ti_key=ti_key, key=DEPLOYMENT_URL_KEY)
        return _address(url)


class TrifactaJobLink(BaseOperatorLink):
    """Opens the page of the first job group, where Trifacta shows its jobs and their results.

    It only reads an XCom, as :class:`TrifactaDeploymentLink` does.
    """

    name = "Trifacta job"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002
        """Return the address, or an empty text if nothing was started."""
        urls = XCom.get_value(ti_key=ti_key, key=JOB_URLS_KEY)
        if not urls or not isinstance(urls, (list, tuple)):
            return ""
        return _address(urls[0])


def _address(value: Any) -> str:
    """Return an address that a browser may open; an empty text for anything else.

    An XCom may have been edited.
    """
    if not isinstance(value, str) or not value.isprintable():
        return ""
    return value if value.startswith(("https://", "http://")) else ""
