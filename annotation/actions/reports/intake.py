"""Taking a report in: from anybody, with one text at most that has to be there, and only once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from annotation.actions.reports.limits import (
    check_client,
    check_process,
    count_repeat,
    is_limited,
    network_of,
    throttle,
)
from annotation.actions.reports.sealed import digest_of, follow_token, seal
from annotation.actions.reports.table import REPORTER
from annotation.actions.reports.transitions import transition
from annotation.errors import ConflictError, InvalidInputError
from annotation.methods import report_priority
from annotation.methods.texts import digest, problem_with, unstorable
from annotation.models import Campaign, Language, Report, ReportContact, ReportOrigin, User
from annotation.models.reports import Surface, Told

MOST_BYTES = 10_000
LONGEST_TAG = 35
SCHEMA = 1


@dataclass(frozen=True)
class Telling:
    """What somebody tells; only the text, or what is wrong, has to be there."""

    text: str = ""
    tag: str = ""
    output: str = ""
    expected: str = ""
    description: str = ""
    dialect: str = ""
    reasons: Sequence[str] = ()
    severity: str = Told.WRONG
    contact: str = ""
    consent_train: bool = False
    consent_test: bool = False
    consent_quote: bool = False
    version_number: int | None = None
    version_digest: str = ""
    surface: str = Surface.WEB
    interface: str = "en"
    schema_version: int = SCHEMA


@dataclass(frozen=True)
class Receipt:
    """A report as it came in, with the secret that its maker follows it by."""

    report: Report
    token: str
    fresh: bool


def receive(  # noqa: PLR0913 - what, by which form, from where, when, and by whom
    campaign: Campaign,
    *,
    telling: Telling,
    key: str,
    client: str,
    now: datetime,
    user: User | None = None,
    suspect: bool = False,
) -> Receipt:
    """Take a report in, once for each key; nothing is told to anybody of what it says.

    What looks as if no person had sent it is ``suspect``, and waits for a moderator.
    """
    if user is None:
        throttle(client, now=now)
    known = Report.objects.filter(key=key, campaign=campaign).first()
    if known is not None:
        return _receipt(known, fresh=False)
    telling = _checked(telling)
    if user is None:
        check_client(client, now=now)
        check_process(now)
    try:
        with transaction.atomic():
            report = _make(campaign, telling, key=key, client=client, now=now, user=user)
            if suspect:
                Report.objects.filter(pk=report.pk).update(limited=True)
    except IntegrityError:
        # Sent twice at the same moment, or the same text of the same version from the same place.
        known = Report.objects.filter(key=key, campaign=campaign).first()
        if known is None:
            count_repeat(client, now=now)
            raise ConflictError(
                _("This very text was reported from here already, and is being looked at."),
                remedy=_("You need not do anything."),
            ) from None
        return _receipt(known, fresh=False)
    return _receipt(report, fresh=True)


def _make(
    campaign: Campaign,
    telling: Telling,
    *,
    key: str,
    client: str,
    now: datetime,
    user: User | None,
) -> Report:
    language = language_of(campaign, telling.tag)
    report = Report(
        campaign=campaign,
        tag=telling.tag,
        language=language,
        dialect=telling.dialect[:120],
        version_number=telling.version_number,
        version_digest=telling.version_digest,
        surface=telling.surface,
        interface=telling.interface,
        input_text=telling.text,
        output_text=telling.output,
        expected_text=telling.expected,
        description=telling.description,
        digest=digest(telling.text or telling.description),
        reasons=list(telling.reasons),
        severity_told=telling.severity,
        severity=report_priority.severity_of(telling.reasons, told=telling.severity, reporters=1),
        consent_train=telling.consent_train,
        consent_test=telling.consent_test,
        consent_quote=telling.consent_quote,
        user=user,
        client=client,
        key=key,
        schema_version=telling.schema_version,
        limited=is_limited(campaign, tag=telling.tag, client=client, now=now, user=user),
        received_at=now,
    )
    report.follow_digest = digest_of(follow_token(report.uid.hex))
    report.save(force_insert=True)
    if client and user is None:
        ReportOrigin.objects.create(report=report, network=network_of(client), at=now)
    if telling.contact:
        ReportContact.objects.create(report=report, sealed=seal(telling.contact))
    transition(report, to="received", actor=REPORTER, now=now)
    return report


def language_of(campaign: Campaign, tag: str) -> Language | None:
    """Return the language of the campaign that a tag names, if one does."""
    if not tag:
        return None
    there = Language.objects.filter(campaigns__campaign=campaign)
    return there.filter(tag__iexact=tag).first()


def report_of(token: str) -> Report | None:
    """Return whose follow link it is; nobody's if it was not made here."""
    return Report.objects.filter(follow_digest=digest_of(token)).first()


def _receipt(report: Report, *, fresh: bool) -> Receipt:
    return Receipt(report, follow_token(report.uid.hex), fresh)


def _check_version(telling: Telling) -> None:
    number = telling.version_number
    fits = number is None or 0 <= number < 2**31
    if not fits or unstorable(telling.version_digest + telling.interface):
        raise InvalidInputError(
            "version: there is no such version.", remedy="Send its number and digest, or neither."
        )


def _checked(telling: Telling) -> Telling:
    """Return what was told as it is kept, or say what cannot be."""
    texts = {
        _("text"): telling.text,
        _("what the model said"): telling.output,
        _("what it should be"): telling.expected,
        _("what is wrong"): telling.description,
    }
    if not telling.text.strip() and not telling.description.strip():
        raise InvalidInputError(
            _("Nothing is told."), remedy=_("Write the text that the model got wrong.")
        )
    for name, text in texts.items():
        problem = problem_with(text) if text.strip() else unstorable(text)
        if problem or len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
            raise InvalidInputError(
                _("“%s” cannot be taken.") % name,
                remedy=_("Write at most 10,000 bytes of plain text."),
            )
    _check_version(telling)
    if telling.schema_version != SCHEMA:
        raise InvalidInputError(
            "schema_version: this form is not known here.", remedy=f"Send schema_version {SCHEMA}."
        )
    if unknown := sorted(set(telling.reasons) - set(report_priority.REASONS)):
        raise InvalidInputError(
            f"reasons: there is no reason {unknown[0][:30]!r}.",
            remedy=f"There are: {', '.join(report_priority.REASONS)}.",
        )
    if telling.severity not in Told.values:
        raise InvalidInputError(
            "severity: not known.", remedy=f"There are: {', '.join(Told.values)}."
        )
    _check_contact(telling.contact)
    if len(telling.tag) > LONGEST_TAG or unstorable(telling.tag + telling.dialect):
        raise InvalidInputError(
            _("The language has a long name."), remedy=_("Write at most 35 characters.")
        )
    return telling


def _check_contact(address: str) -> None:
    try:
        if address:
            validate_email(address)
    except ValidationError:
        raise InvalidInputError(
            _("“%s” is no e-mail address.") % address[:60],
            remedy=_("Write it as name@example.org, or leave it empty."),
        ) from None
