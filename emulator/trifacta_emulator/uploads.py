"""The package in a request: multipart part ``data`` [R: SEED, D60]."""

from __future__ import annotations

from python_multipart.exceptions import FormParserError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request

from trifacta_emulator.endpoint import context_of, media_type
from trifacta_emulator.errors import ApiError, ValidationError
from trifacta_emulator.package_reader import Package, read_package


async def uploaded_package(request: Request) -> Package:
    """
    Read the package that a request uploads. What can be refused without the body is refused before it is read.

    :param request: the request.
    :raises ApiError: imports are disabled, or another Content-Type.
    :raises ValidationError: no readable package.
    """
    context = context_of(request)
    if not context.options.import_enabled:
        raise ApiError(403, "Import is disabled in this workspace")
    if media_type(request) != "multipart/form-data":
        raise ApiError(415, "Content-Type must be multipart/form-data")
    try:
        # Large files go to disk while they arrive.
        form = await request.form()
    except FormParserError as error:
        raise ValidationError(f"The form cannot be read: {error}") from error
    try:
        part = form.get("data")
        if part is None and context.options.accept_file_part:
            part = form.get("file")
        if part is None:
            raise ValidationError(f'No part "data" in the form; found: {sorted(set(form))}')
        if not isinstance(part, UploadFile):
            raise ValidationError('The part "data" is not a file')
        return await run_in_threadpool(read_package, part.file)
    finally:
        await form.close()
