"""``/v4/jobGroups/:id/profile`` and ``/pdfResults``: what the profile of a job group shows."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.endpoint import Endpoint, context_of, path_id
from trifacta_emulator.errors import ApiError
from trifacta_emulator.records import JobGroup

#: The smallest file that readers take for a PDF. The product's has pages with charts.
_PDF = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj
trailer<</Root 1 0 R>>
%%EOF
"""


async def profile(request: Request) -> Response:
    """GET the profile. Nothing is computed, so it has no columns: our choice [?]."""
    group = _profiled(request)
    return JSONResponse({"jobGroup": {"id": group.id}, "columns": []})


async def pdf_results(request: Request) -> Response:
    """GET the profile as a PDF [P: AAC25, SDK]."""
    _profiled(request)
    return Response(_PDF, media_type="application/pdf")


def _profiled(request: Request) -> JobGroup:
    """Find a job group that has a profile. Until its end it has none [I]: the vendor's client asks again."""
    group = context_of(request).store.job_group(path_id(request))
    if group.status != "Complete" or all(job.type != "profile" for job in group.jobs):
        # Recorded for both calls [P: AYX].
        details = f"Job group {group.id} does not have profiling data"
        raise ApiError(400, details, name="ProfilingDataNotFoundException", message="Profiling data not found")
    return group


ENDPOINTS = (
    Endpoint("GET", "/v4/jobGroups/{id}/profile", "getJobGroupProfile", profile),
    Endpoint("GET", "/v4/jobGroups/{id}/pdfResults", "getPdfResults", pdf_results, produces="application/pdf"),
)
