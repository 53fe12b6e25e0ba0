"""Make things for tests: ``make_sample(text="…")`` and its neighbours, each with sane defaults."""

import hashlib
from itertools import count
from typing import Any

from django.utils import timezone

from annotation.models import (
    Annotator,
    Campaign,
    CampaignLanguage,
    Consent,
    GoldItem,
    Item,
    Label,
    Language,
    Sample,
    User,
)

LABELS = ("admin", "accounts", "dates")
_numbers = count(1)


def make_language(tag: str = "wo", **over: Any) -> Language:
    """A language; the same tag gives the same row."""
    defaults = {"name": tag, "script": "Latn", "direction": "ltr"} | over
    return Language.objects.get_or_create(tag=tag, defaults=defaults)[0]


def make_user(name: str = "noor", *, staff: bool = False, **over: Any) -> User:
    """Somebody who signs in with the password ``secret``."""
    user = User(username=name, name=name.title(), is_staff=staff, **over)
    user.set_password("secret")
    user.save()
    return user


def make_campaign(
    *, languages: tuple[str, ...] = ("wo", "qu"), labels: tuple[str, ...] = LABELS, **over: Any
) -> Campaign:
    """A campaign with labels and languages, not yet running."""
    number = next(_numbers)
    fields = {
        "slug": f"campaign-{number}",
        "title": f"Campaign {number}",
        "question": "What is this message about?",
    } | over
    campaign = Campaign.objects.create(**fields)
    for position, key in enumerate(labels):
        Label.objects.create(campaign=campaign, key=key, name=key.title(), position=position)
    for tag in languages:
        CampaignLanguage.objects.create(campaign=campaign, language=make_language(tag))
    return campaign


def make_sample(campaign: Campaign, tag: str = "wo", text: str = "", **over: Any) -> Sample:
    """A sample of the pool."""
    text = text or f"text {next(_numbers)}"
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Sample.objects.create(
        campaign=campaign, language=make_language(tag), text=text, digest=digest, **over
    )


def make_gold(
    campaign: Campaign, tag: str = "wo", label: str = "admin", split: str = "gate", **over: Any
) -> GoldItem:
    """A gold item with its sample."""
    return GoldItem.objects.create(
        sample=make_sample(campaign, tag, **over),
        label=campaign.labels.get(key=label),
        split=split,
    )


def make_annotator(name: str = "awa", tag: str = "wo", **over: Any) -> Annotator:
    """A person in one language, known at the desk, who has agreed through an admin."""
    user = User.objects.filter(username=name).first() or make_user(
        name, desk_user_id=next(_numbers) + 1000
    )
    make_consent(user)
    return Annotator.objects.create(user=user, language=make_language(tag), **over)


def make_consent(user: User, **over: Any) -> Consent:
    """What somebody agrees to now; by itself to training, through an admin."""
    fields = {"how": "admin", "train": True, "given_at": timezone.now()} | over
    standing = Consent.objects.standing().filter(user=user).first()
    return standing or Consent.objects.create(user=user, **fields)


def make_item(sample: Sample, **over: Any) -> Item:
    """An item on the sample, queued for the desk."""
    home = CampaignLanguage.objects.get(campaign=sample.campaign_id, language=sample.language_id)
    return Item.objects.create(
        **({"campaign_language": home, "sample": sample, "kind": "acquisition"} | over)
    )
