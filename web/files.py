"""HTTP calls on a user's files: tables and documents that agents may read."""

from __future__ import annotations

from flask import Blueprint, Request, Response, request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge

from web.errors import Unprocessable, UnsupportedType
from web.http.answers import json_answer
from web.identity.request import current_user_id
from web.services import services
from web.uploads.upload import check_size, read_upload

blueprint = Blueprint("files", __name__, url_prefix="/api/files")

FIELD = "file"
#: Part headers and boundaries around the one file.
_MULTIPART_BYTES = 65_536


@blueprint.post("")
def upload_file() -> Response:
    """Take one file; large ones go through a temporary file, so memory stays flat while they arrive."""
    user_id = current_user_id()
    max_bytes = services().settings.max_file_bytes
    upload = _uploaded(request, max_bytes)
    new = read_upload(upload.filename or "", upload.stream, max_bytes=max_bytes)
    return json_answer(services().files.save(user_id, new), 201)


@blueprint.get("")
def list_files() -> Response:
    return json_answer({"files": services().files.of(current_user_id())})


@blueprint.delete("/<file_id>")
def delete_file(file_id: str) -> Response:
    services().files.delete(current_user_id(), file_id)
    return Response(status=204)


def _uploaded(request: Request, max_bytes: int) -> FileStorage:
    if request.mimetype != "multipart/form-data":
        raise UnsupportedType(f"The body must be multipart/form-data, not {request.mimetype[:60] or 'unnamed'}.")
    request.max_content_length = max_bytes + _MULTIPART_BYTES
    try:
        files = request.files.getlist(FIELD)
    except RequestEntityTooLarge:
        # Raised for other fields as well; those are none of ours.
        if request.content_length is None or request.content_length > max_bytes:
            check_size(max_bytes + 1, max_bytes)
        raise
    if len(files) != 1:
        raise Unprocessable(f"Send one file in the field `{FIELD}`.", detail={"field": FIELD})
    return files[0]
