"""Reports for the measurement of pages: open doors, one that is followed, and ten thousand that wait."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

MANY_REPORTS = 10_000
STEPS = ("received", "screened", "awaiting_triage")


@dataclass(frozen=True)
class Doors:
    """Addresses of what is measured: what everybody sees, and the queue of whoever decides."""

    public: dict[str, str]
    queue: str
    staff: int


def open_doors(slug: str) -> Doors:
    """Open a campaign to everybody, with one report, one answered try and a version that serves."""
    from django.urls import reverse
    from django.utils import timezone

    from annotation.actions.reports.intake import Telling, receive
    from annotation.models import Campaign, PublicDoor, User
    from learning.models import Deployment, Trial

    campaign = Campaign.objects.get(slug=slug)
    PublicDoor.objects.update_or_create(campaign=campaign, defaults={"open": True})
    home = campaign.languages.select_related("language").order_by("language__tag")[0]
    tag, now = home.language.tag, timezone.now()
    telling = Telling(text="Xam naa ko bu baax", tag=tag, contact="sam@example.org")
    got = receive(campaign, telling=telling, key="measured", client="measured", now=now)
    version = Deployment.objects.serving(campaign)
    number = version.version.number if version else 1
    answer = {"label": "good", "name": "Good", "confidence": 0.7, "version": number}
    answer |= {"digest": "d" * 64, "honest": True, "set_level": 0.9}
    answer |= {"set": [{"label": "good", "name": "Good"}, {"label": "bad", "name": "Bad"}]}
    answer |= {"probabilities": {"good": 0.7, "bad": 0.3}}
    tried = Trial.objects.create(
        campaign=campaign,
        language=home.language,
        text="Xam naa ko bu baax",
        state="done",
        answer=answer,
        asked_at=now + timedelta(days=1),
    )
    staff = User.objects.create(username="measures", is_staff=True, is_superuser=True)
    public = {
        "what may be tried": reverse("report_index"),
        "try": reverse("try", args=[slug]),
        "what the model said": reverse("trial", args=[tried.uid]),
        "model card": reverse("public_card", args=[slug, number]),
        "report": reverse("report", args=[slug]),
        "follow": reverse("report_follow", args=[got.token]),
    }
    return Doors(public, reverse("reports_queue", args=[slug, tag]), staff.pk)


def let_wait(slug: str, *, number: int = MANY_REPORTS) -> None:
    """Have so many reports of one language wait, each with the events that led there."""
    from django.utils import timezone

    from annotation.models import Campaign, Report, ReportEvent

    campaign = Campaign.objects.get(slug=slug)
    home = campaign.languages.select_related("language").order_by("language__tag")[0]
    now = timezone.now()
    made = [
        Report(
            campaign=campaign,
            language=home.language,
            tag=home.language.tag,
            input_text=f"report number {n} of very many",
            digest=hashlib.sha256(f"{n}".encode()).hexdigest(),
            key=f"many-{n}",
            follow_digest=hashlib.sha256(f"follow {n}".encode()).hexdigest(),
            severity=1 + n % 4,
            reporters=1 + n % 7,
            received_at=now - timedelta(minutes=n),
        )
        for n in range(number)
    ]
    Report.objects.bulk_create(made, batch_size=500)
    made = list(Report.objects.filter(key__startswith="many-"))
    before, last = "new", ""
    for at, state in enumerate(STEPS, start=1):
        ReportEvent.objects.bulk_create(
            [
                ReportEvent(
                    report=one,
                    number=at,
                    from_state=before,
                    to_state=state,
                    by="system",
                    at=one.received_at,
                    previous=last,
                    hash=f"step {at}",
                )
                for one in made
            ],
            batch_size=500,
        )
        before, last = state, f"step {at}"
