"""Looks: before a round chooses, its shortlist is looked at as closely as its strategy wants.

Several passes of the network, or a language model's surprise, are too dear for a pool. They are
found out of a shortlist, by a worker that holds networks, and kept as rows: whoever chooses
needs no torch, and chooses the same however often the message comes.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt
import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q

from annotation.actions.leases import Lease, kept, lapsed
from annotation.models import Sample
from learning.actions.pools import active_languages, plain_request
from learning.actions.supplies import needs_of_round
from learning.errors import NoChanceError, NoMaskedHeadError
from learning.models import Look, LookedAt, Round

Clock = Callable[[], datetime]
Status = Look.Status
Numbers = npt.NDArray[np.float32]
Texts = Sequence[tuple[int, str, str]]
Find = Callable[[Texts, int], Numbers]

MOST_ATTEMPTS = 3
# Ten passes of a large encoder over so many texts take a minute on a CPU.
AT_ONCE = 256
DIGITS = 6
# Rounds whose rows are kept: enough to choose the last ones again.
KEPT = 2
# What no second attempt would mend.
HOPELESS = (NoMaskedHeadError, NoChanceError)

log = structlog.get_logger(__name__)


def looks_to_wait_for(round_: Round) -> set[str]:
    """Return the kinds of look that the round's strategies need and that are not over."""
    over = round_.looks.filter(status__in=(Status.DONE, Status.FAILED))
    return _kinds(round_) - set(over.values_list("kind", flat=True))


def due_looks(round_: Round, *, now: datetime) -> list[int]:
    """Ask for what the round needs, once, and return what waits for a worker or has lost its own."""
    for kind in sorted(_kinds(round_)):
        passes = round_.campaign.opinion_passes if kind == Look.Kind.OPINIONS else 1
        _, new = Look.objects.get_or_create(round=round_, kind=kind, defaults={"passes": passes})
        if new:
            _prune(round_)
    lost = round_.looks.filter(lapsed(now), status=Status.RUNNING)
    lost.filter(attempts__gte=MOST_ATTEMPTS).update(
        status=Status.FAILED, error="The worker was lost each time; it may lack memory."
    )
    return list(round_.looks.filter(_free(now)).values_list("pk", flat=True))


def look_closer(look_id: int, *, now: Clock) -> Look:
    """Look at the shortlist of a round, if nobody else is at it, and keep what was found."""
    look = Look.objects.select_related("round__campaign", "round__version__campaign").get(
        pk=look_id
    )
    attempt = look.attempts + 1
    ours = Look.objects.filter(_free(now()), pk=look_id, attempts=look.attempts)
    if ours.update(status=Status.RUNNING, attempts=attempt, lease_until=now() + _lease(), error=""):
        renew = partial(_renew, look, attempt=attempt, now=now)
        with kept(renew, seconds=settings.ENV.lease_seconds) as lease:
            try:
                _work(look, attempt=attempt, now=now, lease=lease)
            except Exception as error:
                hopeless = isinstance(error, HOPELESS)
                _give_back(look, error=error, attempt=attempt, over=hopeless)
                if not hopeless:
                    raise
    look.refresh_from_db()
    return look


def _kinds(round_: Round) -> set[str]:
    return needs_of_round(round_) & set(Look.Kind.values)


def _free(now: datetime) -> Q:
    free = Q(status=Status.QUEUED) | (Q(status=Status.RUNNING) & lapsed(now))
    return free & Q(attempts__lt=MOST_ATTEMPTS)


def _prune(round_: Round) -> None:
    old = round_.number - KEPT
    LookedAt.objects.filter(
        look__round__campaign=round_.campaign_id, look__round__number__lte=old
    ).delete()


def _renew(look: Look, *, attempt: int, now: Clock) -> bool:
    """Prolong the lease; False if somebody else is at it since."""
    mine = Look.objects.filter(pk=look.pk, status=Status.RUNNING, attempts=attempt)
    return mine.update(lease_until=now() + _lease()) == 1


def _lease() -> timedelta:
    return timedelta(seconds=settings.ENV.lease_seconds)


def _work(look: Look, *, attempt: int, now: Clock, lease: Lease) -> None:
    texts = _shortlist(look)
    rows: list[LookedAt] = []
    agree = bool(texts)
    for part, numbers in _numbers(look, texts):
        agree = agree and look.kind == Look.Kind.OPINIONS and _agree(numbers)
        rows += [
            LookedAt(look=look, sample_id=pk, numbers=row)
            for (pk, _, _), row in zip(part, numbers.round(DIGITS).tolist(), strict=True)
        ]
        if lease.lost or not _renew(look, attempt=attempt, now=now):
            log.warning("look.lost", look_id=look.pk, attempt=attempt)
            return
    if agree:
        raise NoChanceError(
            f"All passes of {look.round.version} agree in everything: it has learnt nothing yet,"
            " or its network has no dropout.",
            remedy="Choose another strategy, at least for the cold start.",
        )
    _finish(look, rows, attempt=attempt, now=now())


def _finish(look: Look, rows: Sequence[LookedAt], *, attempt: int, now: datetime) -> None:
    with transaction.atomic():
        mine = Look.objects.filter(pk=look.pk, status=Status.RUNNING, attempts=attempt)
        if mine.update(status=Status.DONE, lease_until=None, texts=len(rows), finished_at=now):
            LookedAt.objects.bulk_create(rows, batch_size=1_000)


def _give_back(look: Look, *, error: Exception, attempt: int, over: bool) -> None:
    log.warning("look.failed", look_id=look.pk, attempt=attempt, error=str(error))
    told = str(error) if over else f"{type(error).__name__}: {error}"
    Look.objects.filter(pk=look.pk, status=Status.RUNNING, attempts=attempt).update(
        status=Status.FAILED if over or attempt >= MOST_ATTEMPTS else Status.QUEUED,
        lease_until=None,
        error=told,
    )


def _shortlist(look: Look) -> Texts:
    """Return id, text and language tag of what is to be looked at, in order of id."""
    from learning.methods.shortlist import shortlist  # SciPy is for workers only

    request = plain_request(look.round, active_languages(look.round.campaign))
    by: Literal["margin", "lot"] = "margin" if look.kind == Look.Kind.OPINIONS else "lot"
    ids = sorted(map(int, shortlist(request, by=by)))
    found: list[tuple[int, str, str]] = []
    for start in range(0, len(ids), 5_000):
        some = Sample.objects.filter(pk__in=ids[start : start + 5_000]).order_by("pk")
        found += some.values_list("pk", "text", "language__tag")
    return found


def _numbers(look: Look, texts: Texts) -> Iterator[tuple[Texts, Numbers]]:
    """Yield some texts and what is found out of each, a few at a time."""
    find = (_opinions if look.kind == Look.Kind.OPINIONS else _surprise)(look)
    for start in range(0, len(texts), AT_ONCE):
        part = texts[start : start + AT_ONCE]
        yield part, find(part, start)


def _opinions(look: Look) -> Find:
    """Return what asks the round's network several times."""
    from learning.inference import mc_probabilities  # torch is for workers only

    def find(part: Texts, start: int) -> Numbers:
        return mc_probabilities(
            look.round.version,
            texts=[text for _, text, _ in part],
            languages=[tag for _, _, tag in part],
            passes=look.passes,
            seed=look.round.seed + start,
        )

    return find


def _surprise(look: Look) -> Find:
    """Return what asks the masked head of the checkpoint that the network was made from."""
    from learning.inference import device  # torch is for workers only
    from learning.methods.coldstart import surprise
    from learning.networks.masked import MaskedReader

    reader = MaskedReader.of(look.round.campaign.network)
    reader.module.to(device())

    def find(part: Texts, _start: int) -> Numbers:
        return surprise(reader.losses([text for _, text, _ in part], device=device()))

    return find


def _agree(numbers: Numbers) -> bool:
    """Whether no pass says anything but what the first one says."""
    return bool(np.allclose(numbers, numbers[:, :1], atol=1e-6))
