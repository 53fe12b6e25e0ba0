"""Admission: rows of a file become samples and gold items, a batch at a time."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import uuid4

from django.utils import timezone

from annotation.actions.choosing import label_for
from annotation.actions.known import composes
from annotation.actions.stored import SampleRow, ids_taken, store_samples
from annotation.methods.readers import Row
from annotation.methods.readers.cleaning import POOL, CleanRow, Refusal, Rules, clean
from annotation.methods.roles import Register
from annotation.models import GoldItem, RefusedRow, Sample, SampleImport, Source
from annotation.objectives import Habits, objective


class Batch(NamedTuple):
    """Rows of a file, each looked at by itself: nothing was asked of the database yet."""

    rows: int
    last: int
    position: int
    skipped: Counter[str]
    sound: Sequence[CleanRow]
    refused: Sequence[Refusal]


class Admission:
    """What one import knows of its campaign; the caller brings the transaction and the lock."""

    def __init__(self, sample_import: SampleImport) -> None:
        """Look up once what stays the same for every batch."""
        self.sample_import = sample_import
        self.campaign = sample_import.campaign
        homes = self.campaign.languages.filter(active=True).select_related("language")
        self._languages = {home.language.tag: home.language_id for home in homes}
        labels = list(self.campaign.labels.all())
        self._labels = {label.key: label.pk for label in labels}
        self._sources: dict[tuple[str, str], Source] = {}
        habits = Habits.of(self.campaign.objective)
        self._rules = Rules.of(
            languages=self._languages,
            labels=[(label.key, label.name) for label in labels],
            defaults=sample_import.options.get("defaults", {}),
            parts=objective(self.campaign.objective).PARTS,
            least=habits.least,
            sided=habits.sided,
            composes=composes(self.campaign),
        )

    def clean(self, rows: Sequence[Row]) -> Batch:
        """Look at rows by themselves, beside whatever the database is busy with."""
        skipped = Counter(row.skipped for row in rows if row.skipped)
        cleaned = [clean(row, self._rules) for row in rows if not row.skipped]
        return Batch(
            rows=len(rows),
            last=rows[-1].number if rows else 0,
            position=rows[-1].position if rows else 0,
            skipped=skipped,
            sound=[row for row in cleaned if isinstance(row, CleanRow)],
            refused=[row for row in cleaned if isinstance(row, Refusal)],
        )

    def admit(self, batch: Batch) -> tuple[int, int]:
        """Store the rows or their refusals; return how many were kept and refused."""
        self._now = timezone.now()
        placed, misplaced = self._register(batch.sound).place_all(batch.sound)
        self._store(placed)
        refused = [*batch.refused, *misplaced]
        self._report(refused)
        return len(placed), len(refused)

    def _register(self, rows: Sequence[CleanRow]) -> Register:
        """What is taken already, as far as these rows could clash with it."""
        register = Register()
        mine = Sample.objects.filter(campaign=self.campaign).order_by()
        tags = {pk: tag for tag, pk in self._languages.items()}
        named = {
            (self._languages[one.language], one.external_id) for one in rows if one.external_id
        }
        for language, external_id in ids_taken(self.campaign.pk, named):
            register.ids.add((tags[language], external_id))
        digests = {row.digest for row in rows}
        texts = mine.filter(digest__among=digests)
        for digest, tag, split in texts.values_list("digest", "language__tag", "gold__split"):
            register.texts.setdefault(digest, {}).setdefault(tag, set()).add(split or POOL)
        groups = {row.group for row in rows if row.group}
        if groups:
            roles = mine.filter(group__among=groups).exclude(group="").distinct()
            for group, split in roles.values_list("group", "gold__split"):
                register.groups.setdefault(group, set()).add(split or POOL)
        return register

    def _store(self, rows: Sequence[CleanRow]) -> None:
        known = [row for row in rows if row.role != POOL]
        gold = Sample.objects.bulk_create(Sample(**self._row(row)._asdict()) for row in known)
        GoldItem.objects.bulk_create(
            GoldItem(sample=sample, label_id=self._label(row), split=row.role)
            for row, sample in zip(known, gold, strict=True)
        )
        store_samples([self._row(row) for row in rows if row.role == POOL])

    def _label(self, row: CleanRow) -> int:
        """The number of a known answer; one that is composed is kept when it is first met."""
        if row.label not in self._labels:
            answer = {"label": row.label, "value": row.value}
            self._labels[row.label] = label_for(self.campaign, answer=answer).pk
        return self._labels[row.label]

    def _row(self, row: CleanRow) -> SampleRow:
        return SampleRow(
            campaign_id=self.campaign.pk,
            language_id=self._languages[row.language],
            uid=uuid4(),
            text=row.text,
            digest=row.digest,
            dialect=row.dialect,
            source_id=self._source(row).pk,
            external_id=row.external_id,
            group=row.group,
            meta=row.meta,
            sample_import_id=self.sample_import.pk,
            row=row.number,
            created_at=self._now,
        )

    def _source(self, row: CleanRow) -> Source:
        """A text without a named source comes from the file that brought it."""
        name = row.source or self.sample_import.filename[:120]
        key = (name, row.licence)
        if key not in self._sources:
            self._sources[key], _ = Source.objects.get_or_create(
                name=name, licence=row.licence, defaults={"origin": row.origin}
            )
        return self._sources[key]

    def _report(self, refusals: Sequence[Refusal]) -> None:
        RefusedRow.objects.bulk_create(
            RefusedRow(sample_import=self.sample_import, **_described(refusal))
            for refusal in refusals
        )


def _described(refusal: Refusal) -> dict[str, Any]:
    return {
        "row": refusal.number,
        "field": refusal.field[:60],
        "reason": refusal.reason[:300],
        "excerpt": refusal.excerpt[:200],
    }
