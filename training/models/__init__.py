"""The nouns of how the model changes and whether it may."""

from training.models.dispatches import Dispatch
from training.models.gates import Evaluation, GateCheck, GateRun, Verdict
from training.models.runs import DataSnapshot, SnapshotRow, TrainingRun

__all__ = [
    "DataSnapshot",
    "Dispatch",
    "Evaluation",
    "GateCheck",
    "GateRun",
    "SnapshotRow",
    "TrainingRun",
    "Verdict",
]
