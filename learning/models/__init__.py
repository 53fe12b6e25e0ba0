"""The nouns of what the model thinks and what it asks."""

from learning.models.calibrations import LanguageCalibration
from learning.models.embeddings import DuplicateSearch, EmbeddingShard, NearDuplicate
from learning.models.generators import GeneratorDeployment, GeneratorVersion
from learning.models.looks import Look, LookedAt
from learning.models.predictions import Prediction, Scoring, ScoringShard
from learning.models.quota_changes import QuotaChange
from learning.models.rounds import Allotment, Pick, QuotaAccount, Round
from learning.models.stops import SelectionGain, StopDecision, StopReading
from learning.models.trials import Trial
from learning.models.versions import Deployment, ModelParent, ModelVersion, Temperature

__all__ = [
    "Allotment",
    "Deployment",
    "DuplicateSearch",
    "EmbeddingShard",
    "GeneratorDeployment",
    "GeneratorVersion",
    "LanguageCalibration",
    "Look",
    "LookedAt",
    "ModelParent",
    "ModelVersion",
    "NearDuplicate",
    "Pick",
    "Prediction",
    "QuotaAccount",
    "QuotaChange",
    "Round",
    "Scoring",
    "ScoringShard",
    "SelectionGain",
    "StopDecision",
    "StopReading",
    "Temperature",
    "Trial",
]
