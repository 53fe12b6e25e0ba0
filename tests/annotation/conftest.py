"""A desk of the tests' own, and a language that is asked at it."""

import pytest

from annotation.models import (
    CampaignLanguage,
)
from tests.fakes import FakeLabelingDesk
from tests.make import make_campaign


@pytest.fixture
def desk() -> FakeLabelingDesk:
    return FakeLabelingDesk()


@pytest.fixture
def home() -> CampaignLanguage:
    return CampaignLanguage.objects.get(campaign=make_campaign(languages=("wo",)))
