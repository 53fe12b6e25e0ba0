"""Uploads to pages: how much of a form is taken in at all, before anybody has looked at it."""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler

# Only the page of imports takes large files, and only of who may bring some in.
OF_STRANGERS = 5_000_000
TAKES_LARGE_FILES = "import_create"
FORM_AROUND_IT = 1_000_000


class BoundedUploads(FileUploadHandler):
    """Refuse a form whose files are too large by what it says of its length; no more of it is read."""

    def handle_raw_input(self, *told: Any, **_: Any) -> None:
        """Look at the length before the first byte; the server reads no more than it says."""
        from annotation.actions.uploads import MOST_BYTES

        _input, _meta, length, *_rest = told
        most = MOST_BYTES + FORM_AROUND_IT if self._brings_samples() else OF_STRANGERS
        if length > most:
            raise RequestDataTooBig(f"This form is larger than {most:,} bytes.")

    def _brings_samples(self) -> bool:
        """Whether this is the form of imports, sent by somebody whom its page would let in."""
        from annotation.models import Campaign
        from annotation.permissions import Ability, may

        request = self.request
        match, user = getattr(request, "resolver_match", None), getattr(request, "user", None)
        if match is None or user is None or match.url_name != TAKES_LARGE_FILES:
            return False
        campaign = Campaign.objects.filter(slug=match.kwargs["slug"]).first()
        return campaign is not None and may(user, Ability.LEAD, campaign=campaign)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        """Hand it on to who keeps it."""
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Others keep the file."""
