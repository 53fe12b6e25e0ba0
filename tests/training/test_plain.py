"""What adapters stand in the way of is refused at the door, and the way that it names is a way."""

from io import StringIO
from pathlib import Path

import pytest
import torch
from django.core.management import CommandError, call_command

from annotation.errors import ConflictError
from learning.actions.kinds import kind_of
from learning.actions.serving import deploy
from learning.models import ModelVersion
from tests.training.test_exports import adapted, ours, version  # noqa: F401 - a fixture
from training.actions.compressions import open_compression
from training.models import DataSnapshot, TrainingRun

pytestmark = pytest.mark.django_db


def served(version: ModelVersion, method: str, tmp_path: Path) -> ModelVersion:  # noqa: F811
    """The version with adapters serves, and a run stands behind it."""
    made = adapted(version, method, tmp_path)
    snapshot = DataSnapshot.objects.create(
        campaign=made.campaign, digest="0" * 64, samples=6, fresh_samples=6
    )
    TrainingRun.objects.create(
        campaign=made.campaign, snapshot=snapshot, base=version, candidate=made, seed=1
    )
    deploy(made.campaign, version=made, kind="promotion", reason="for the test")
    return made


def plain(slug: str, *tags: str) -> ModelVersion:
    call_command("merge_adapters", slug, "--languages", *tags, "--plain", stdout=StringIO())
    made = TrainingRun.objects.latest("pk").candidate
    assert made
    return made


def test_adapters_are_refused_at_the_door_and_made_plain_by_the_command_that_it_names(
    version: ModelVersion,  # noqa: F811
    tmp_path: Path,
) -> None:
    made = served(version, "lora", tmp_path)
    slug = made.campaign.slug
    assert kind_of(made).languages == ("qu", "wo")
    for kind, told in (("quantise", {}), ("prune", {}), ("distil", {"student": "layers"})):
        with pytest.raises(ConflictError) as caught:
            open_compression(made.campaign, kind=kind, settings=told)
        assert f"manage.py merge_adapters {slug} --languages qu wo --plain" in str(caught.value)
    assert not TrainingRun.objects.filter(kind__in=("quantise", "prune", "distil")).exists()
    # The other way that is named: a starter that is taught.
    open_compression(made.campaign, kind="distil", settings={"student": "starter"}).delete()

    folded = plain(slug, "qu", "wo")
    assert (kind_of(folded).name, kind_of(folded).adapted) == ("encoder", False)
    torch.testing.assert_close(ours(folded, "wo"), ours(folded, "sw"))
    deploy(made.campaign, version=folded, kind="promotion", reason="for the test")
    assert open_compression(made.campaign, kind="prune").base == folded


def test_one_language_made_plain_answers_as_its_adapter_did(
    version: ModelVersion,  # noqa: F811
    tmp_path: Path,
) -> None:
    made = served(version, "lora", tmp_path)
    folded = plain(made.campaign.slug, "wo")
    torch.testing.assert_close(ours(folded, "wo"), ours(made, "wo"), atol=1e-5, rtol=0)
    torch.testing.assert_close(ours(folded, "qu"), ours(made, "wo"), atol=1e-5, rtol=0)


def test_adapters_that_act_together_are_made_plain_together_and_nobody_notices(
    version: ModelVersion,  # noqa: F811
    tmp_path: Path,
) -> None:
    made = served(version, "o-lora", tmp_path)
    with pytest.raises(CommandError, match="missing: wo"):
        plain(made.campaign.slug, "qu")
    folded = plain(made.campaign.slug, "qu", "wo")
    for tag in ("qu", "wo", "sw"):
        torch.testing.assert_close(ours(folded, tag), ours(made, tag), atol=1e-5, rtol=0)


def test_a_kind_that_was_never_written_down_is_read_from_the_folder(
    version: ModelVersion,  # noqa: F811
    tmp_path: Path,
) -> None:
    made = served(version, "bottleneck", tmp_path)
    ModelVersion.objects.filter(pk=made.pk).update(manifest={"labels": []}, identity="")
    made.refresh_from_db()
    assert kind_of(made).method == "bottleneck"
    with pytest.raises(ConflictError, match="Teach a plain starter"):
        open_compression(made.campaign, kind="quantise")
