"""The nouns of how the model changes and whether it may."""

from training.models.case_versions import CaseDispute, CaseVersion, WrittenAnswer, WrittenGrade
from training.models.cases import CaseCheck, RegressionCase
from training.models.dispatches import Dispatch
from training.models.figures import LanguageFigures, PublicPage
from training.models.gate_terms import GateChange, Maintenance
from training.models.gates import (
    Evaluation,
    GateCheck,
    GatePredictions,
    GateRun,
    GoldVersion,
    Verdict,
)
from training.models.generators import (
    BlindCheck,
    BlindComparison,
    BlindVerdict,
    GeneratorLesson,
)
from training.models.gold_calls import GoldCall, GoldCandidate
from training.models.letters import Letter
from training.models.lineage import LearnedAnswer
from training.models.readings import Reading
from training.models.recipes import RecipeChange
from training.models.report_fixes import (
    Probe,
    ProbeChoice,
    ReportCase,
    Verification,
    WritingCheck,
    WritingChoice,
    WritingProbe,
)
from training.models.runs import DataSnapshot, SnapshotRow, TrainingRun
from training.models.slices import Slice
from training.models.waivers import Waiver
from training.models.wishes import MeasureWish

__all__ = [
    "BlindCheck",
    "BlindComparison",
    "BlindVerdict",
    "CaseCheck",
    "CaseDispute",
    "CaseVersion",
    "DataSnapshot",
    "Dispatch",
    "Evaluation",
    "GateChange",
    "GateCheck",
    "GatePredictions",
    "GateRun",
    "GeneratorLesson",
    "GoldCall",
    "GoldCandidate",
    "GoldVersion",
    "LanguageFigures",
    "LearnedAnswer",
    "Letter",
    "Maintenance",
    "MeasureWish",
    "Probe",
    "ProbeChoice",
    "PublicPage",
    "Reading",
    "RecipeChange",
    "RegressionCase",
    "ReportCase",
    "Slice",
    "SnapshotRow",
    "TrainingRun",
    "Verdict",
    "Verification",
    "Waiver",
    "WritingCheck",
    "WritingChoice",
    "WritingProbe",
    "WrittenAnswer",
    "WrittenGrade",
]
