"""Registering what was taught: a folder of ``teach_generator`` becomes a version with its lessons."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from annotation.errors import InvalidInputError
from annotation.methods.pseudonyms import pseudonym
from annotation.models import Annotation, Campaign
from learning.actions.generators import generator_named, register_generator
from learning.actions.versions import libraries
from learning.models import GeneratorVersion
from training.actions.corrections import answers_named
from training.actions.lineage import licence_of
from training.actions.teaching import MANIFEST
from training.models import GeneratorLesson


def register_taught(campaign: Campaign, *, folder: Path) -> GeneratorVersion:
    """Register what a folder holds as a candidate; it serves when people have passed it."""
    manifest = _manifest(folder)
    base = generator_named(str(manifest["base"]))
    if base is None or base.campaign_id != campaign.pk:
        raise InvalidInputError(
            f"{folder} was taught from {manifest['base']!r}, which is no generator of"
            f" {campaign.slug!r}.",
            remedy=f"Teach what is registered: manage.py teach_generator {campaign.slug}@serving …",
        )
    told = {name: value for name, value in manifest.items() if name != "learned"}
    with transaction.atomic():
        version = register_generator(
            campaign,
            folder=folder,
            network=base.network,
            base=base,
            manifest=told | {"libraries": libraries()},
        )
        _write_lessons(version, names=manifest.get("learned") or [])
    return version


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InvalidInputError(
            f"{folder} holds nothing that teach_generator left: {error}",
            remedy="Name its OUT. A first generator is registered by the name of its checkpoint.",
        ) from error


def _write_lessons(version: GeneratorVersion, *, names: list[str]) -> None:
    """Write down which answers it learned, of those that this installation holds."""
    revisions = dict(pair for name in names for pair in answers_named(name))
    found = Annotation.objects.filter(
        pk__in=revisions, item__campaign_language__campaign=version.campaign_id
    ).select_related("item__sample__source")
    GeneratorLesson.objects.bulk_create(
        (
            GeneratorLesson(
                version=version,
                annotation=one,
                revision=revisions[one.pk],
                licence=licence_of(one.item.sample),
                person=pseudonym(one.annotator_id, secret=settings.SECRET_KEY),
            )
            for one in found
        ),
        ignore_conflicts=True,
    )
