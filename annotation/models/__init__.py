"""The nouns of people and their words."""

from annotation.models.access import Invitation, LinkMiss, Membership, Role
from annotation.models.annotations import (
    Annotation,
    AnnotationRevision,
    AnswerNumber,
    DeskEvent,
    QuarantinedAnswer,
)
from annotation.models.audit import AuditEntry
from annotation.models.campaigns import (
    Campaign,
    CampaignLanguage,
    DeskConfig,
    Guideline,
)
from annotation.models.consensus import AloneEstimate, Consensus, Reliability
from annotation.models.consents import Consent, ConsentText, Purpose
from annotation.models.disputes import Adjudication, Objection
from annotation.models.drifting import Concern, DriftChart, DriftPoint, WeeklyCounts
from annotation.models.gating import CaseRule, GateMetric
from annotation.models.groups import GroupAnswer, GroupRemark, GroupSession, GroupText
from annotation.models.health import Heartbeat
from annotation.models.items import Item
from annotation.models.kept import KeptNumbers
from annotation.models.keys import ApiKey, IdempotentCall, Scope
from annotation.models.labels import Label
from annotation.models.languages import Direction, Language
from annotation.models.outgoing import AddressQuestion, Outgoing
from annotation.models.people import Annotator, User
from annotation.models.report_arrivals import (
    ModeratorWish,
    ReportArrival,
    ReportBrigade,
    ReportSight,
)
from annotation.models.report_doors import (
    LanguageIdentifier,
    ReportBell,
    ReportRing,
    ReportWish,
)
from annotation.models.report_likeness import ReportImprint, ReportLikeness
from annotation.models.report_masks import ReportMask
from annotation.models.report_origins import ReportOrigin
from annotation.models.report_parts import (
    PublicDoor,
    ReportContact,
    ReportGlance,
    ReportLetter,
    ReportLink,
    ReportMessage,
    ReportOriginal,
    ReportVote,
    Reproduction,
    Workaround,
)
from annotation.models.report_plans import ReportPlan
from annotation.models.reports import Report, ReportEvent, ReportState, Severity
from annotation.models.reservations import Reservation
from annotation.models.samples import GoldItem, RefusedRow, Sample, SampleImport, Source
from annotation.models.sessions import (
    CalibrationSession,
    GoldGlance,
    GoldRetirement,
    LabelRule,
    Recalibration,
    SecondLook,
    SessionAnswer,
    Standing,
    StandingChange,
    WorkedExample,
)
from annotation.models.webhooks import Webhook, WebhookDelivery
from annotation.models.withdrawals import Withdrawal

__all__ = [
    "AddressQuestion",
    "Adjudication",
    "AloneEstimate",
    "Annotation",
    "AnnotationRevision",
    "Annotator",
    "AnswerNumber",
    "ApiKey",
    "AuditEntry",
    "CalibrationSession",
    "Campaign",
    "CampaignLanguage",
    "CaseRule",
    "Concern",
    "Consensus",
    "Consent",
    "ConsentText",
    "DeskConfig",
    "DeskEvent",
    "Direction",
    "DriftChart",
    "DriftPoint",
    "GateMetric",
    "GoldGlance",
    "GoldItem",
    "GoldRetirement",
    "GroupAnswer",
    "GroupRemark",
    "GroupSession",
    "GroupText",
    "Guideline",
    "Heartbeat",
    "IdempotentCall",
    "Invitation",
    "Item",
    "KeptNumbers",
    "Label",
    "LabelRule",
    "Language",
    "LanguageIdentifier",
    "LinkMiss",
    "Membership",
    "ModeratorWish",
    "Objection",
    "Outgoing",
    "PublicDoor",
    "Purpose",
    "QuarantinedAnswer",
    "Recalibration",
    "RefusedRow",
    "Reliability",
    "Report",
    "ReportArrival",
    "ReportBell",
    "ReportBrigade",
    "ReportContact",
    "ReportEvent",
    "ReportGlance",
    "ReportImprint",
    "ReportLetter",
    "ReportLikeness",
    "ReportLink",
    "ReportMask",
    "ReportMessage",
    "ReportOrigin",
    "ReportOriginal",
    "ReportPlan",
    "ReportRing",
    "ReportSight",
    "ReportState",
    "ReportVote",
    "ReportWish",
    "Reproduction",
    "Reservation",
    "Role",
    "Sample",
    "SampleImport",
    "Scope",
    "SecondLook",
    "SessionAnswer",
    "Severity",
    "Source",
    "Standing",
    "StandingChange",
    "User",
    "Webhook",
    "WebhookDelivery",
    "WeeklyCounts",
    "Withdrawal",
    "Workaround",
    "WorkedExample",
]
