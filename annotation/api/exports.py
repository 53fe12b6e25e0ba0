"""What people agree on, whole, as the files that other tools read."""

from typing import Annotated, Any

from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from ninja import Router
from pydantic import Field

from annotation.actions.agreed_files import FORMATS, agreed_file
from annotation.actions.marked_files import FORMATS as MARKED
from annotation.actions.marked_files import marked_file
from annotation.api.door import Tag, campaign_in
from annotation.errors import NotFoundError
from annotation.models import Campaign, Language, Scope

router = Router(tags=["exports"])
BYTES = "application/octet-stream"
FILE: dict[str, Any] = {
    "responses": {
        200: {
            "description": "The file",
            "content": {BYTES: {"schema": {"type": "string", "format": "binary"}}},
        }
    }
}
AgreedFormat = Annotated[str, Field(json_schema_extra={"enum": [*FORMATS]})]
MarkedFormat = Annotated[str, Field(json_schema_extra={"enum": [*MARKED]})]


@router.get(
    "/campaigns/{slug}/agreed",
    summary="What people agree on, as one file",
    description="For the team itself: `json` is a list of tasks for Label Studio, `datasets` a folder"
    " for the library of that name, as ZIP. Every format comes in again as an import.",
    openapi_extra=FILE,
)
def get_agreed(
    request: HttpRequest, slug: str, format: AgreedFormat = "jsonl", language: Tag = ""
) -> FileResponse:
    campaign = campaign_in(request, slug, scope=Scope.EXPORT)
    only = language_in(campaign, language) if language else None
    name, file = agreed_file(campaign, format=format, language=only)
    return FileResponse(file, as_attachment=True, filename=name, content_type=BYTES)


@router.get(
    "/campaigns/{slug}/languages/{tag}/marks",
    summary="Marks that people agree on, as CoNLL-U, IOB2 or JSON Lines",
    description="Of campaigns that ask for marks in texts; others are refused with 409.",
    openapi_extra=FILE,
)
def get_marks(
    request: HttpRequest, slug: str, tag: str, format: MarkedFormat = "conllu"
) -> StreamingHttpResponse:
    campaign = campaign_in(request, slug, scope=Scope.EXPORT)
    language = language_in(campaign, tag)
    lines = list(marked_file(campaign, language=language, format=format))
    name = f'attachment; filename="{slug}-{language.tag}.{format}"'
    return StreamingHttpResponse(lines, content_type=BYTES, headers={"Content-Disposition": name})


def language_in(campaign: Campaign, tag: str) -> Language:
    """One of a campaign's languages, or that there is none of that name."""
    found = Language.objects.filter(tag=tag, campaigns__campaign=campaign).first()
    if found is None:
        raise NotFoundError(
            f"There is no language {tag!r} in {campaign.slug}.", remedy="See its languages."
        )
    return found
