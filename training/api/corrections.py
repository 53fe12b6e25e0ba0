"""What people wrote in place of what a model wrote, as files."""

from typing import Annotated

from django.http import HttpRequest, StreamingHttpResponse
from ninja import Router
from pydantic import Field

from annotation.actions.agreed_files import alone
from annotation.api.door import campaign_in
from annotation.api.exports import BYTES, FILE, language_in
from annotation.models import Scope
from training.actions.correction_files import FORMATS, correction_file

router = Router(tags=["exports"])
Format = Annotated[str, Field(json_schema_extra={"enum": [*FORMATS]})]


@router.get(
    "/campaigns/{slug}/languages/{tag}/corrections",
    summary="What people wrote in place of what a model wrote, as PO or JSON Lines",
    description="Of campaigns of ratings; others are refused with 409. Only of people who agree to"
    " training now, and nothing that gold says. In PO the source is the message and what was written"
    " its translation; it comes in again as an import. Ask anew before each use: consents end.",
    openapi_extra=FILE,
)
def get_corrections(
    request: HttpRequest, slug: str, tag: str, format: Format = "po"
) -> StreamingHttpResponse:
    campaign = campaign_in(request, slug, scope=Scope.EXPORT)
    language = language_in(campaign, tag)
    # To compare texts with gold keeps a processor busy: one at a time, as with other files.
    with alone():
        parts = list(correction_file(campaign, language=language, format=format))
    name = f'attachment; filename="{slug}-{language.tag}.{format}"'
    return StreamingHttpResponse(parts, content_type=BYTES, headers={"Content-Disposition": name})
