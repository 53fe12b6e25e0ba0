"""Taking a report in: from anybody, with one text at most that has to be there, and only once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from annotation.actions.reports.knocks import note_sent
from annotation.actions.reports.limits import (
    check_client,
    check_memory,
    check_process,
    held_back,
    is_newcomer,
    network_of,
)
from annotation.actions.reports.sealed import digest_of, follow_token, keyed, seal
from annotation.actions.reports.table import REPORTER
from annotation.actions.reports.transitions import transition
from annotation.errors import ConflictError, InvalidInputError
from annotation.methods import report_priority
from annotation.methods.texts import digest, problem_with, unstorable
from annotation.models import (
    Campaign,
    Language,
    Report,
    ReportArrival,
    ReportContact,
    ReportOrigin,
    User,
)
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
class Coming:
    """By what way somebody comes who tells something: from where, by whom, and what speaks for them."""

    client: str
    user: User | None = None
    # The first report of the same maker, from whose secret page this one is told.
    first: Report | None = None
    # Their browser did a sum that costs a flood more than it costs them.
    proven: bool = False
    # It looks as if no person had sent it.
    suspect: bool = False


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
    first: Report | None = None,
    proven: bool = False,
    suspect: bool = False,
) -> Receipt:
    """Take a report in, once for each key; nothing is told to anybody of what it says.

    What looks as if no person had sent it is ``suspect``, and waits for a moderator.
    """
    coming = Coming(client, user, first_of(first), proven, suspect)
    if user is None:
        check_memory(client, key=key, now=now)
    known = Report.objects.filter(key=key, campaign=campaign).first()
    if known is None:
        telling = _checked(telling)
        if user is None:
            check_client(client, now=now)
            check_process(client, now=now)
            note_sent(client, key=key, now=now)
        try:
            with transaction.atomic():
                report = _make(campaign, telling, key=key, coming=coming, now=now)
        except IntegrityError:
            # Sent twice at the same moment, or the same text of the same version from the same place.
            known = Report.objects.filter(key=key, campaign=campaign).first()
            if known is None:
                raise ConflictError(
                    _("This very text was reported from here already, and is being looked at."),
                    remedy=_("You need not do anything."),
                ) from None
    return _receipt(known, fresh=False) if known else _receipt(report, fresh=True)


def first_of(report: Report | None) -> Report | None:
    """Return the first report of whoever told one, or that one; none that was taken back."""
    if report is None or report.erased_at is not None:
        return None
    arrival = ReportArrival.objects.filter(report=report).select_related("first").first()
    return arrival.first if arrival and arrival.first else report


def _make(
    campaign: Campaign, telling: Telling, *, key: str, coming: Coming, now: datetime
) -> Report:
    language, client, user = language_of(campaign, telling.tag), coming.client, coming.user
    held = held_back(
        campaign, language=language, client=client, now=now, user=user, first=coming.first
    )
    new = is_newcomer(user, campaign=campaign, first=coming.first)
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
        digest=_digest(telling.text or telling.description, campaign=campaign),
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
        limited=bool(held) or coming.suspect,
        unseen_since=now if new else None,
        received_at=now,
    )
    report.follow_digest = digest_of(follow_token(report.uid.hex))
    report.save(force_insert=True)
    _note_arrival(report, coming, crowd=held == "crowd" and not coming.suspect, now=now)
    if telling.contact:
        ReportContact.objects.create(report=report, sealed=seal(telling.contact))
    transition(report, to="received", actor=REPORTER, now=now)
    return report


def _digest(text: str, *, campaign: Campaign) -> str:
    """Return what a text is found by: as those are that said the very same and were masked by hand."""
    plain = digest(text)
    hidden = keyed(plain)
    known = Report.objects.filter(campaign=campaign, digest=hidden)
    return hidden if known.exists() else plain


def _note_arrival(report: Report, coming: Coming, *, crowd: bool, now: datetime) -> None:
    if coming.client and coming.user is None:
        network = network_of(coming.client)
        ReportOrigin.objects.create(report=report, network=network, at=now)
    if crowd or coming.first or coming.proven:
        ReportArrival.objects.create(
            report=report, crowd=crowd, proven=coming.proven, first=coming.first
        )


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
