"""Consents: what is asked in plain words, what somebody said to it, and each change of mind.

A change ends one row and begins another, so that every answer can be held against what was
agreed to when it was given. Whoever ends their consent to training is left out of snapshots from
that moment; what they gave before is taken back by the app above, which comes and looks.
"""

import hashlib
import json
import tomllib
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path

from django.db import transaction
from django.utils.translation import gettext as _

from annotation.actions.memberships import join_by_invitations
from annotation.errors import ConflictError, InvalidInputError
from annotation.models import Consent, ConsentText, Purpose, User

TEXTS = Path(__file__).resolve().parent.parent / "consents"
# Beside the purposes a text says how old one has to be.
SENTENCES = ("of_age", *Purpose.values)
# What cannot be separated: without it there is nothing to do here.
INSEPARABLE = Purpose.TRAIN


def present_text(tag: str) -> ConsentText:
    """Return what is asked in an interface language, or in English where nobody wrote it.

    A text of the community's own goes before the shipped one; a shipped text that changed with
    an upgrade becomes a new version.
    """
    for wanted in (tag, tag.split("-")[0], "en"):
        newest = ConsentText.objects.filter(tag=wanted).order_by("-version").first()
        shipped = _shipped(wanted)
        if newest is not None and (not newest.shipped or shipped is None):
            return newest
        if shipped is not None:
            same = newest is not None and newest.digest == _digest(**shipped[0])
            return newest if newest and same else _keep(wanted, shipped, after=newest)
    raise ConflictError("There is no text to agree to.", remedy="Restore annotation/consents.")


@transaction.atomic
def write_text(tag: str, *, text: str, purposes: Mapping[str, str]) -> ConsentText:
    """Keep a community's own text as the next version; the same words again change nothing."""
    missing = [name for name in SENTENCES if not str(purposes.get(name, "")).strip()]
    if missing or not text.strip():
        raise InvalidInputError(
            f"The text says nothing of: {', '.join(missing or ['text'])}.",
            remedy=f"Write a sentence for each of {', '.join(SENTENCES)}.",
        )
    said = {name: str(purposes[name]).strip() for name in SENTENCES}
    newest = ConsentText.objects.filter(tag=tag).order_by("-version").first()
    digest = _digest(text=text.strip(), purposes=said)
    if newest is not None and newest.digest == digest and not newest.shipped:
        return newest
    return ConsentText.objects.create(
        tag=tag,
        version=newest.version + 1 if newest else 1,
        text=text.strip(),
        purposes=said,
        digest=digest,
    )


def standing_consent(user: User) -> Consent | None:
    """What somebody agrees to now, if they have ever been asked."""
    return Consent.objects.standing().filter(user=user).select_related("text").first()


@transaction.atomic
def give_consent(
    user: User, *, text: ConsentText, granted: Collection[str], of_age: bool, now: datetime
) -> Consent:
    """Write down what somebody agreed to on the page; they join the teams they were invited to.

    Nothing granted is a plain no, which is kept as one. The same answer again changes nothing.
    """
    unknown = sorted(set(granted) - set(Purpose.values))
    if unknown:
        raise InvalidInputError(f"Nobody asked about {', '.join(unknown)}.")
    if granted and INSEPARABLE not in granted:
        raise InvalidInputError(
            _("Nothing else can be allowed without training."), remedy=_("Allow it, or nothing.")
        )
    if granted and not of_age:
        raise InvalidInputError(
            _("Only those who are old enough can agree."),
            remedy=_("Say that you are, or answer no."),
        )
    said = {purpose: purpose in granted for purpose in Purpose.values}
    consent = _change(user, text=text, how=Consent.How.PAGE, of_age=of_age, said=said, now=now)
    if consent.train:
        join_by_invitations(user, now=now)
    return consent


@transaction.atomic
def record_consent(
    user: User, *, how: str, recorded_by: User | None, now: datetime
) -> Consent | None:
    """Write down that somebody agreed to training through whoever adds them.

    Whoever has answered for themselves already, yes or no, is not spoken for: what they said
    is returned.
    """
    User.objects.select_for_update().get(pk=user.pk)
    known = Consent.objects.filter(user=user).order_by("-given_at", "-id").first()
    if known is not None:
        return known
    return Consent.objects.create(
        user=user, how=how, recorded_by=recorded_by, train=True, given_at=now
    )


def _change(
    user: User,
    *,
    text: ConsentText,
    how: str,
    of_age: bool,
    said: Mapping[str, bool],
    now: datetime,
) -> Consent:
    User.objects.select_for_update().get(pk=user.pk)
    before = standing_consent(user)
    if before is not None and _same(before, text=text, how=how, said=said):
        return before
    Consent.objects.standing().filter(user=user).update(ended_at=now)
    return Consent.objects.create(
        user=user, text=text, how=how, of_age=of_age, given_at=now, **said
    )


def _same(consent: Consent, *, text: ConsentText, how: str, said: Mapping[str, bool]) -> bool:
    alike = all(getattr(consent, purpose) == given for purpose, given in said.items())
    return alike and consent.how == how and consent.text_id == text.pk


def _keep(
    tag: str, shipped: tuple[dict[str, object], bool], *, after: ConsentText | None
) -> ConsentText:
    said, draft = shipped
    return ConsentText.objects.get_or_create(
        tag=tag,
        version=after.version + 1 if after else 1,
        defaults={**said, "digest": _digest(**said), "shipped": True, "draft": draft},
    )[0]


@cache
def _shipped(tag: str) -> tuple[dict[str, object], bool] | None:
    """The text that came with this release, and whether a machine made it."""
    # Only names that are there: a tag comes from outside.
    if tag not in {path.stem for path in TEXTS.glob("*.toml")}:
        return None
    told = tomllib.loads((TEXTS / f"{tag}.toml").read_text(encoding="utf-8"))
    purposes = {name: told["purposes"][name].strip() for name in SENTENCES}
    return {"text": told["text"].strip(), "purposes": purposes}, bool(told["draft"])


def _digest(*, text: object, purposes: object) -> str:
    said = json.dumps([text, purposes], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()
