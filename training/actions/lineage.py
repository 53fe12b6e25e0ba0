"""Lineage: from an answer to every version that learned from it, and back.

A version learned what its snapshot brought, and everything that the versions it was made from had
learned: its base, the parents merged into it, and the one that its snapshot was taken against. There
are few versions and they are walked in memory; answers are many and stay behind an index.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import QuerySet

from annotation.methods.pseudonyms import pseudonym
from annotation.models import Annotation, Campaign, Sample, Withdrawal
from learning.models import ModelParent, ModelVersion
from training.models import DataSnapshot, LearnedAnswer, SnapshotRow, TrainingRun

BATCH = 2000


@dataclass(frozen=True)
class Origins:
    """Where the rows of a snapshot come from: licences, and people by their pseudonyms."""

    people: Mapping[int, str]

    @classmethod
    def of(cls, campaign: Campaign) -> "Origins":
        """Read who gave each answer of the campaign."""
        given = Annotation.objects.filter(item__campaign_language__campaign=campaign)
        pairs = given.values_list("pk", "annotator_id").iterator(chunk_size=BATCH)
        names: dict[int, str] = {}
        people = {}
        for pk, annotator in pairs:
            if annotator not in names:
                names[annotator] = pseudonym(annotator, secret=settings.SECRET_KEY)
            people[pk] = names[annotator]
        return cls(people)

    def facts(self, row: SnapshotRow) -> list[object]:
        """Return what of a row's origin belongs to the snapshot's digest."""
        return [licence_of(row.sample), sorted(self.people[pk] for pk, _ in row.revisions)]

    def provenance(self, rows: Iterable[SnapshotRow]) -> dict[str, dict[str, object]]:
        """Return samples by licence, and samples, answers and people by language."""
        licences: Counter[str] = Counter()
        samples: Counter[str] = Counter()
        answers: Counter[str] = Counter()
        people: defaultdict[str, set[str]] = defaultdict(set)
        for row in rows:
            tag = row.sample.language.tag
            licences[licence_of(row.sample)] += 1
            samples[tag] += 1
            answers[tag] += len(row.revisions)
            people[tag] |= {self.people[pk] for pk, _ in row.revisions}
        languages = {
            tag: {"samples": samples[tag], "answers": answers[tag], "people": len(people[tag])}
            for tag in sorted(samples)
        }
        return {"licences": dict(sorted(licences.items())), "languages": dict(languages)}

    def write(self, snapshot: DataSnapshot, *, rows: Iterable[SnapshotRow]) -> None:
        """Write down the answers that the snapshot brings for the first time."""
        LearnedAnswer.objects.bulk_create(
            (
                LearnedAnswer(
                    snapshot=snapshot,
                    annotation_id=pk,
                    revision=revision,
                    licence=licence_of(row.sample),
                    person=self.people[pk],
                )
                for row in rows
                if row.fresh
                for pk, revision in row.revisions
            ),
            batch_size=BATCH,
        )


def licence_of(sample: Sample) -> str:
    """Return the licence of a text, nothing where nobody named one."""
    return sample.source.licence if sample.source else ""


class Family:
    """Who comes from whom among the versions of a campaign."""

    def __init__(self, campaign_id: int) -> None:
        known = ModelVersion.objects.filter(campaign=campaign_id).order_by("number")
        self.versions = {version.pk: version for version in known.defer("manifest")}
        # One campaign for all of them: a join would read and build it as often as there are versions.
        campaign = Campaign.objects.filter(pk=campaign_id).first() if self.versions else None
        for version in self.versions.values():
            version.campaign = campaign or version.campaign
        self.sources: dict[int, set[int]] = {pk: set() for pk in self.versions}
        self.snapshots: dict[int, set[int]] = {pk: set() for pk in self.versions}
        for version in self.versions.values():
            self._comes_from(version.pk, version.base_id)
        parents = ModelParent.objects.filter(version__campaign=campaign_id)
        for child, parent in parents.values_list("version_id", "parent_id"):
            self._comes_from(child, parent)
        runs = TrainingRun.objects.filter(campaign=campaign_id, candidate__isnull=False)
        columns = ("candidate_id", "base_id", "snapshot_id", "snapshot__against_id")
        for candidate, base, snapshot, against in runs.values_list(*columns):
            self._comes_from(candidate, base)
            self._comes_from(candidate, against)
            self.snapshots[candidate].add(snapshot)

    def _comes_from(self, child: int | None, source: int | None) -> None:
        if child in self.sources and source in self.sources and child != source:
            self.sources[child].add(source)

    def ancestry(self, version_id: int) -> set[int]:
        """Return the version and all that it was made from."""
        return _reached({version_id}, self.sources)

    def snapshots_of(self, version_id: int) -> set[int]:
        """Return every snapshot whose answers the version has learned."""
        return {s for pk in self.ancestry(version_id) for s in self.snapshots[pk]}

    def learned_of(self, snapshots: Iterable[int]) -> dict[int, frozenset[int]]:
        """Return which of the snapshots each version learned, for all versions at once.

        A version comes from older ones, so one way through them from the oldest is nearly always
        enough; it is gone again until nothing changes, as bytes that come back keep their number.
        """
        bits = {snapshot: 1 << place for place, snapshot in enumerate(sorted(set(snapshots)))}
        learned = {pk: sum(bits.get(s, 0) for s in own) for pk, own in self.snapshots.items()}
        before: dict[int, int] = {}
        while before != learned:
            before = dict(learned)
            for pk, sources in self.sources.items():
                for source in sources:
                    learned[pk] |= learned[source]
        sets = {mark: _members(mark, bits) for mark in set(learned.values())}
        return {pk: sets[mark] for pk, mark in learned.items()}

    def learned_from(self, snapshots: Iterable[int]) -> list[ModelVersion]:
        """Return the versions that learned any of the snapshots, oldest first."""
        wanted = set(snapshots)
        first = {pk for pk, own in self.snapshots.items() if own & wanted}
        children: dict[int, set[int]] = {pk: set() for pk in self.versions}
        for child, sources in self.sources.items():
            for source in sources:
                children[source].add(child)
        found = [self.versions[pk] for pk in _reached(first, children)]
        return sorted(found, key=lambda version: version.number)


def _members(mark: int, bits: Mapping[int, int]) -> frozenset[int]:
    return frozenset(snapshot for snapshot, bit in bits.items() if mark & bit)


def _reached(start: set[int], steps: Mapping[int, set[int]]) -> set[int]:
    seen, waiting = set(start), list(start)
    while waiting:
        for following in steps[waiting.pop()] - seen:
            seen.add(following)
            waiting.append(following)
    return seen


def versions_with(annotations: "QuerySet[Annotation]") -> list[ModelVersion]:
    """Return every version that learned from any of the answers, campaign by campaign."""
    return _versions(LearnedAnswer.objects.filter(annotation__in=annotations))


def versions_of_annotator(annotator_id: int) -> list[ModelVersion]:
    """Return every version that learned from what a person has answered in a language."""
    return _versions(LearnedAnswer.objects.filter(annotation__annotator=annotator_id))


def _versions(learned: "QuerySet[LearnedAnswer]") -> list[ModelVersion]:
    pairs = learned.order_by().values_list("snapshot__campaign_id", "snapshot_id").distinct()
    snapshots: defaultdict[int, set[int]] = defaultdict(set)
    for campaign_id, snapshot_id in pairs:
        snapshots[campaign_id].add(snapshot_id)
    return [
        version
        for campaign_id in sorted(snapshots)
        for version in Family(campaign_id).learned_from(snapshots[campaign_id])
    ]


def answers_of(version: ModelVersion) -> "QuerySet[LearnedAnswer]":
    """Return the answers that a version has learned from; one that was revised has several."""
    snapshots = Family(version.campaign_id).snapshots_of(version.pk)
    return LearnedAnswer.objects.filter(snapshot__in=snapshots)


@dataclass(frozen=True)
class Tainted:
    """What a version learned from answers that were taken back since, and the way out."""

    version: ModelVersion
    answers: int
    withdrawals: Sequence[Withdrawal]
    clean: ModelVersion | None


def tainted(campaign: Campaign) -> dict[int, Tainted]:
    """Return, by version, what was learned from answers taken back; versions without are left out.

    The way out is the newest version that served and learned none of what the version must not
    have: rolled back to, the next run learns from there what still stands.
    """
    withdrawals = list(Withdrawal.objects.values_list("pk", flat=True))
    if not withdrawals:
        return {}
    # By index from the few that were taken back to where they were learned; the campaign is looked
    # at afterwards, or a database may well begin with its million answers.
    learned = LearnedAnswer.objects.filter(annotation__withdrawal__in=withdrawals).order_by()
    ours = set(campaign.snapshots.values_list("pk", flat=True))
    told: defaultdict[int, dict[int, int]] = defaultdict(dict)
    columns = ("snapshot_id", "annotation_id", "annotation__withdrawal_id")
    for snapshot_id, answer, withdrawal in learned.values_list(*columns):
        if snapshot_id in ours:
            told[snapshot_id][answer] = withdrawal
    return _tainted(campaign, told) if told else {}


def _tainted(campaign: Campaign, told: Mapping[int, Mapping[int, int]]) -> dict[int, Tainted]:
    """Return the same from ``told``: by snapshot, each answer and the withdrawal that took it."""
    family = Family(campaign.pk)
    ids = {pk for answers in told.values() for pk in answers.values()}
    withdrawals = Withdrawal.objects.select_related("annotator__user", "actor").in_bulk(ids)
    learned = family.learned_of(told)
    served = campaign.deployments.values_list("version_id", flat=True)
    clean = [family.versions[pk] for pk in set(served) if not learned[pk]]
    best = max(clean, key=lambda version: version.number, default=None)
    answers = {
        snapshots: {pk: w for snapshot in snapshots for pk, w in told[snapshot].items()}
        for snapshots in set(learned.values())
    }
    return {
        pk: Tainted(
            family.versions[pk],
            len(taken),
            [withdrawals[w] for w in sorted(set(taken.values()))],
            best,
        )
        for pk, snapshots in learned.items()
        if (taken := answers[snapshots])
    }
