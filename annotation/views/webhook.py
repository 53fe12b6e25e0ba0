"""The door that the desk knocks at: a nudge to come and look, never a message to believe."""

import hmac
import json
import logging
from functools import partial

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from annotation.actions.nudges import note_nudge, note_refusal
from annotation.tasks import sweep_soon

logger = logging.getLogger(__name__)
# Our webhooks ask for no payload: the name of the event is all that comes.
LARGEST_BODY = 64 * 1024
LONGEST_NAME = 60


@csrf_exempt
@require_POST
def desk_hook(request: HttpRequest, campaign_language_id: int) -> HttpResponse:
    """Answer at once, and have the language swept soon."""
    now = timezone.now()
    if not _is_ours(request):
        note_refusal(campaign_language_id, detail="wrong or missing secret", now=now)
        return HttpResponse(status=401)
    if int(request.headers.get("Content-Length") or 0) > LARGEST_BODY:
        note_refusal(campaign_language_id, detail="too large", now=now)
        return HttpResponse(status=413)
    verdict = note_nudge(campaign_language_id, action=_action(request), now=now)
    if verdict is None:
        return HttpResponse(status=404)
    if verdict:
        transaction.on_commit(partial(sweep_soon, campaign_language_id))
    return HttpResponse(status=204)


def _is_ours(request: HttpRequest) -> bool:
    secret = settings.ENV.webhook_secret
    given = request.headers.get("Authorization", "").encode()
    return bool(secret) and hmac.compare_digest(given, f"Bearer {secret}".encode())


def _action(request: HttpRequest) -> str:
    """The event's name, for the record only."""
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        return ""
    action = body.get("action") if isinstance(body, dict) else ""
    return action[:LONGEST_NAME] if isinstance(action, str) else ""
