"""Writing for comparisons: what a page asked for, done by a worker that has torch, until it is done."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import F, Q, QuerySet

from annotation.actions.leases import kept, lapsed
from annotation.errors import InvalidInputError, TransientError
from annotation.models import Campaign
from learning.actions.generators import folder_of
from learning.models import GeneratorVersion
from training.actions.blind import Written
from training.actions.comparing_generators import Sides, put_to_people
from training.actions.dispatches import Work
from training.actions.runs import readable
from training.models import BlindComparison

Clock = Callable[[], datetime]
TASK = "training.tasks.write_comparison"
# So many workers may be lost over one comparison, or run into an error, before it is given up.
MOST_ATTEMPTS = 3
LOT = 256

log = logging.getLogger(__name__)


def due_comparisons(*, now: datetime) -> list[Work]:
    """Return the comparisons that wait for a worker, or have lost theirs; give up what is hopeless."""
    waiting = BlindComparison.objects.filter(finished_at=None)
    free = waiting.filter(Q(lease_until=None) | lapsed(now))
    lost = f"The worker was lost {MOST_ATTEMPTS} times; it may lack memory."
    free.filter(attempts__gte=MOST_ATTEMPTS, error="").update(finished_at=now, error=lost)
    free.filter(attempts__gte=MOST_ATTEMPTS).update(finished_at=now)
    ids = free.order_by("asked_at", "pk").values_list("pk", flat=True)
    return [Work(TASK, {"comparison_id": pk}) for pk in ids]


def write_comparison(comparison_id: int, *, now: Clock) -> BlindComparison | None:
    """Have both generators write and put it to people, if nobody else is at it."""
    found = BlindComparison.objects.filter(pk=comparison_id, finished_at=None)
    comparison = found.select_related(
        "home", "candidate__campaign", "champion__campaign", "candidate__base", "champion__base"
    ).first()
    if comparison is None or not _claim(comparison, now=now()):
        return comparison
    mine = found.filter(attempts=comparison.attempts + 1)
    with kept(
        lambda: mine.update(lease_until=_lease(now())) == 1, seconds=settings.ENV.lease_seconds
    ) as lease:
        try:
            sides = Sides(
                *(_written(one, comparison) for one in (comparison.candidate, comparison.champion))
            )
            if not lease.lost:
                _hand_over(mine, sides=sides, now=now())
        except (OperationalError, TransientError) as error:
            log.warning("comparison %s waits: %s", comparison_id, error)
            mine.update(attempts=F("attempts") - 1, error=readable(error))
        except InvalidInputError as error:
            mine.update(error=str(error), lease_until=None, finished_at=now())
        except Exception as error:
            log.exception("comparison %s could not be written", comparison_id)
            over = comparison.attempts + 1 >= MOST_ATTEMPTS
            mine.update(
                error=readable(error), lease_until=None, finished_at=now() if over else None
            )
    comparison.refresh_from_db()
    return comparison


def _claim(comparison: BlindComparison, *, now: datetime) -> bool:
    """True for exactly one worker."""
    free = Q(lease_until=None) | lapsed(now)
    waiting = BlindComparison.objects.filter(free, pk=comparison.pk, finished_at=None)
    rows = waiting.filter(attempts=comparison.attempts)
    return rows.update(attempts=comparison.attempts + 1, lease_until=_lease(now)) == 1


@transaction.atomic
def _hand_over(mine: QuerySet[BlindComparison], *, sides: Sides, now: datetime) -> None:
    """Put it to people if it still is this worker's: whoever took it over has them asked, not both."""
    held = mine.order_by("pk").select_for_update().first()
    if held is not None:
        put_to_people(held, sides=sides, slug=_slug(held), now=now)


def _lease(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.ENV.lease_seconds)


def _written(version: GeneratorVersion, comparison: BlindComparison) -> Written:
    """Return what a generator writes for the prompts; nothing where it cannot be asked."""
    from learning.actions.generating import open_for_writing
    from learning.networks.writing import Wish, write

    generator = open_for_writing(str(folder_of(version)))
    outputs: dict[tuple[str, str], str] = {}
    problem = "It ended every output at once."
    prompts = [(str(tag), str(source)) for tag, source in comparison.prompts]
    for start in range(0, len(prompts), LOT):
        lot = prompts[start : start + LOT]
        told = write(generator, [source for _, source in lot], [tag for tag, _ in lot], wish=Wish())
        outputs |= {key: one.text for key, one in zip(lot, told, strict=True) if one.text.strip()}
        problem = next((one.problem for one in told if one.problem), problem)
    if not outputs:
        raise InvalidInputError(f"{version} wrote nothing. {problem}")
    return Written(str(version), outputs, frozenset([version.digest]))


def _slug(comparison: BlindComparison) -> str:
    """Return a short name for the campaign that nothing has yet."""
    told = (
        f"{comparison.home.slug[:36]}-{comparison.candidate.number}-or-{comparison.champion.number}"
    )
    taken = set(Campaign.objects.filter(slug__startswith=told).values_list("slug", flat=True))
    return next(
        one for one in (told, *(f"{told}-{at}" for at in range(2, 10_000))) if one not in taken
    )
