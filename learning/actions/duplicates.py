"""Duplicates: texts of a language that say nearly the same, so that one of them is asked.

The embeddings are those of the version that scored the pool last: all of one space, and there
for every sample. A network that was taught to tell labels apart may lay whole classes upon one
another, so a pair must also share half of its runs of three letters before it counts. What was
found stays in force until a later search replaces it. After a promotion nothing is searched where
every embedding is, bit for bit, what it was: training leaves the starter's representation alone.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.db import transaction
from django.db.models import Q, Sum

from annotation.actions.leases import kept, lapsed
from annotation.models import Campaign, CampaignLanguage, Sample
from learning.actions.embeddings import rows_of
from learning.actions.scoring import scoring_done
from learning.methods.digests import RowsDigest
from learning.models import DuplicateSearch, EmbeddingShard, ModelVersion, NearDuplicate

Clock = Callable[[], datetime]
Status = DuplicateSearch.Status

IN_COMMON = 0.5
MOST_ATTEMPTS = 3
# A round waits for the search in a pool of this size, which takes seconds; not in larger ones.
WORTH_WAITING = 100_000
AT_ONCE = 5_000


def open_searches(version: ModelVersion) -> None:
    """Ask for a search in every language, once all is scored and since anything was added."""
    campaign = version.campaign
    if campaign.near_duplicates is None or not settings.ENV.embeddings or not scoring_done(version):
        return
    total = _embedded(version)
    for home in campaign.languages.filter(active=True):
        search, _ = DuplicateSearch.objects.get_or_create(version=version, language=home.language)
        DuplicateSearch.objects.filter(pk=search.pk).exclude(
            embeddings=total, threshold=campaign.near_duplicates
        ).exclude(status=Status.RUNNING).update(
            embeddings=total,
            threshold=campaign.near_duplicates,
            status=Status.QUEUED,
            attempts=0,
            lease_until=None,
        )


def due_searches(version: ModelVersion, *, now: datetime) -> list[int]:
    """Return the searches that wait for a worker, or have lost theirs."""
    searches = DuplicateSearch.objects.filter(version=version)
    searches.filter(lapsed(now), status=Status.RUNNING, attempts__gte=MOST_ATTEMPTS).update(
        status=Status.FAILED, error="The worker was lost each time; it may lack memory."
    )
    return list(searches.filter(_free(now)).values_list("pk", flat=True))


def worth_waiting(version: ModelVersion) -> bool:
    """Tell whether a search is under way that a round should wait for, since it takes seconds."""
    going_on = DuplicateSearch.objects.filter(
        version=version, status__in=(Status.QUEUED, Status.RUNNING)
    )
    return going_on.filter(embeddings__lte=WORTH_WAITING).exists()


def find_duplicates(search_id: int, *, now: Clock) -> DuplicateSearch:
    """Search one language, if nobody else is at it, and keep the groups that were found."""
    search = DuplicateSearch.objects.select_related("version__campaign", "language").get(
        pk=search_id
    )
    attempt = search.attempts + 1
    lease = timedelta(seconds=settings.ENV.lease_seconds)
    mine = DuplicateSearch.objects.filter(pk=search_id, status=Status.RUNNING, attempts=attempt)
    ours = DuplicateSearch.objects.filter(_free(now()), pk=search_id, attempts=search.attempts)
    if ours.update(status=Status.RUNNING, attempts=attempt, lease_until=now() + lease, error=""):
        with kept(
            lambda: mine.update(lease_until=now() + lease) == 1, seconds=lease.total_seconds()
        ):
            try:
                if not _as_before(search, attempt=attempt, now=now()):
                    _finish(search, _groups(search), attempt=attempt, now=now())
            except Exception as error:
                over = attempt >= MOST_ATTEMPTS
                mine.update(
                    status=Status.FAILED if over else Status.QUEUED,
                    lease_until=None,
                    error=f"{type(error).__name__}: {error}",
                )
                raise
    search.refresh_from_db()
    return search


def _free(now: datetime) -> Q:
    free = Q(status=Status.QUEUED) | (Q(status=Status.RUNNING) & lapsed(now))
    return free & Q(attempts__lt=MOST_ATTEMPTS)


def _embedded(version: ModelVersion) -> int:
    shards = EmbeddingShard.objects.filter(version=version)
    return shards.aggregate(total=Sum("samples"))["total"] or 0


def _as_before(search: DuplicateSearch, *, attempt: int, now: datetime) -> bool:
    """Tell whether the last search saw the same; if so, what it found stays in force."""
    search.fingerprint = _fingerprint(search)
    of_language = DuplicateSearch.objects.filter(
        version__campaign=search.version.campaign_id, language=search.language
    )
    last = of_language.exclude(finished_at=None).order_by("-finished_at", "-pk").first()
    if last is None or last.fingerprint != search.fingerprint:
        return False
    of_language.filter(pk=search.pk, status=Status.RUNNING, attempts=attempt).update(
        status=Status.DONE,
        lease_until=None,
        groups=last.groups,
        texts=last.texts,
        fingerprint=search.fingerprint,
        finished_at=now,
    )
    return True


def _fingerprint(search: DuplicateSearch) -> str:
    """Return a digest of the threshold and of all embeddings, whatever files they lie in."""
    digest = RowsDigest()
    ids, blocks = rows_of(search.version, language=search.language)
    start = 0
    for block in blocks:
        keys = ids[start : start + len(block)].astype(np.uint64)
        digest.take(keys, [("embeddings", block[:])])
        start += len(block)
    return hashlib.sha256(f"{search.threshold} {digest.hexdigest()}".encode()).hexdigest()


def _groups(search: DuplicateSearch) -> dict[str, str]:
    """Return the group, named by its smallest digest, of every text that is in one."""
    from learning.methods.neighbours import near_duplicates  # SciPy is for workers only

    ids, blocks = rows_of(search.version, language=search.language)
    threshold = float(search.threshold or 1)

    def confirm(pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        return _share_letters(ids[pairs])

    names = near_duplicates(blocks, threshold=threshold, confirm=confirm)
    together: dict[int, list[int]] = defaultdict(list)
    _, counts = np.unique(names, return_counts=True)
    several = np.repeat(counts > 1, counts)
    order = np.argsort(names, kind="stable")
    for at in order[several].tolist():
        together[int(names[at])].append(int(ids[at]))
    found: dict[str, str] = {}
    for members in together.values():
        digests = _digests(members)
        if len(digests) > 1:
            found |= dict.fromkeys(digests, min(digests))
    return found


def _share_letters(pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    from learning.methods.neighbours import overlap

    ids = np.unique(pairs).tolist()
    texts: dict[int, str] = {}
    for at in range(0, len(ids), AT_ONCE):
        some = Sample.objects.filter(pk__in=ids[at : at + AT_ONCE])
        texts |= dict(some.values_list("pk", "text"))
    told = [
        one in texts and other in texts and overlap(texts[one], texts[other]) >= IN_COMMON
        for one, other in pairs.tolist()
    ]
    return np.array(told, dtype=np.bool_)


def _digests(ids: list[int]) -> set[str]:
    found: set[str] = set()
    for at in range(0, len(ids), AT_ONCE):
        some = Sample.objects.filter(pk__in=ids[at : at + AT_ONCE])
        found |= set(some.values_list("digest", flat=True))
    return found


def _finish(
    search: DuplicateSearch, groups: dict[str, str], *, attempt: int, now: datetime
) -> None:
    """Put what was found in the place of what was known, if the search is still ours."""
    campaign: Campaign = search.version.campaign
    home = CampaignLanguage.objects.get(campaign=campaign, language=search.language)
    with transaction.atomic():
        ours = DuplicateSearch.objects.filter(
            pk=search.pk, status=Status.RUNNING, attempts=attempt
        ).update(
            status=Status.DONE,
            lease_until=None,
            groups=len(set(groups.values())),
            texts=len(groups),
            fingerprint=search.fingerprint,
            finished_at=now,
        )
        if ours:
            NearDuplicate.objects.filter(home=home).delete()
            NearDuplicate.objects.bulk_create(
                (
                    NearDuplicate(home=home, digest=digest, group=group)
                    for digest, group in sorted(groups.items())
                ),
                batch_size=AT_ONCE,
            )
