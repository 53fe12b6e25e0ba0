"""Rounds of the demo: simulated people at work, and a look at how far the loop is."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from django.db.models import Max

from annotation.models import Annotation, Campaign, CampaignLanguage, Item
from config.demo.characters import team_of
from config.demo.crew import Counts, Crew, Member, Visitor
from config.demo.material import LABELS
from config.demo.preparing import DemoError, email_of, password_of
from learning.models import Round
from training.actions.progress import progress_of

AT_ONCE = 4
TURNS = 8
REST_S = 10.0


@dataclass(frozen=True)
class Moment:
    """How far the loop is at one moment."""

    closed: int
    number: int
    step: str
    sentence: str
    done: int
    total: int
    answers: int
    failure: str
    worker: str


# Whose log tells most about a step; the others are the default worker's.
WORKERS: dict[str, str] = {
    Round.Status.SCORING: "worker-gpu",
    Round.Status.COLLECTING: "worker-io",
    Round.Status.TRAINING: "worker-gpu",
    Round.Status.JUDGING: "worker-gpu",
}


def look(campaign: Campaign) -> Moment:
    """See how far the loop is."""
    newest = campaign.rounds.order_by("-number").first()
    progress = progress_of(newest) if newest else None
    return Moment(
        closed=campaign.rounds.filter(status=Round.Status.CLOSED).count(),
        number=newest.number if newest else 0,
        step=str(newest.get_status_display()) if newest else "",
        sentence=progress.sentence if progress else "",
        done=progress.done if progress else 0,
        total=progress.total if progress else 0,
        answers=Annotation.objects.filter(item__campaign_language__campaign=campaign).count(),
        failure=newest.note or "no reason was noted"
        if newest and newest.status == Round.Status.FAILED
        else "",
        worker=WORKERS.get(newest.status, "worker-default") if newest else "worker-gpu",
    )


def languages_with_work(campaign: Campaign) -> dict[int, int]:
    """Campaign languages with items at the desk that wait for an answer, and the newest item."""
    waiting = Item.objects.filter(campaign_language__campaign=campaign, state=Item.State.PUSHED)
    newest = waiting.order_by().values_list("campaign_language").annotate(Max("pk"))
    return dict(newest)


class Crews:
    """Everybody at work: some languages at a time, each with a few turns."""

    def __init__(self, gather: Callable[[int], Crew]) -> None:
        self._gather = gather
        self._crews: dict[int, Crew] = {}
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="crew")
        self._busy: dict[int, Future[int]] = {}
        self._rests: dict[int, tuple[int, float]] = {}

    def tend(self, with_work: Mapping[int, int], *, now: float) -> None:
        """Let those work who have work and do not rest; whatever went wrong is raised here.

        Who found the desk empty rests until something new is there, or for a while: what is
        left may be in somebody else's hands.
        """
        for home, job in list(self._busy.items()):
            if job.done():
                del self._busy[home]
                if job.result() == 0:
                    self._rests[home] = (with_work.get(home, 0), now + REST_S)
        for home in sorted(with_work.keys() - self._crews.keys()):
            self._crews[home] = self._gather(home)
        for home, crew in self._crews.items():
            if home not in self._busy and self._is_wanted(home, crew, with_work, now):
                self._busy[home] = self._pool.submit(crew.work, most=TURNS)

    def _is_wanted(self, home: int, crew: Crew, with_work: Mapping[int, int], now: float) -> bool:
        if crew.has_somebody_back():
            return True
        newest, until = self._rests.get(home, (0, 0.0))
        return home in with_work and (with_work[home] != newest or now >= until)

    @property
    def counts(self) -> Counts:
        """What all of them have done."""
        each = [crew.counts for crew in self._crews.values()]
        return Counts(
            answers=sum(one.answers for one in each),
            skips=sum(one.skips for one in each),
            repeats=sum(one.repeats for one in each),
            edits=sum(one.edits for one in each),
            absences=sum(one.absences for one in each),
        )

    def close(self) -> None:
        """Let everybody finish the turn they are at, and leave."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for crew in self._crews.values():
            for member in crew.members:
                member.visitor.close()


def gathering(
    *,
    url: str,
    truths: Mapping[str, Mapping[str, str]],
    secret: str,
    sleep: Callable[[float], object],
) -> Callable[[int], Crew]:
    """How the team of a campaign language comes together."""

    def gather(home_id: int) -> Crew:
        home = CampaignLanguage.objects.select_related("language", "campaign").get(pk=home_id)
        tag = home.language.tag
        members = [
            Member(
                person,
                Visitor(
                    url=url,
                    email=email_of(person.username),
                    password=password_of(person.username, secret=secret),
                    sleep=sleep,
                ),
            )
            for person in team_of(tag)
        ]
        return Crew(
            project_id=home.desk_project_id or 0,
            members=members,
            truths=truths[tag],
            labels=[label.key for label in LABELS],
            seed=home.campaign.seed,
        )

    return gather


def run_rounds(
    campaign: Campaign,
    *,
    wanted: int,
    crews: Crews,
    check: Callable[[], None],
    show: Callable[[Moment], None],
    patience_s: float,
) -> Moment:
    """Work until so many rounds are closed; raise if a round fails or nothing moves any more.

    A round that failed before is history: the campaign has been started again since.
    """
    begun = look(campaign)
    history = begun.number if begun.failure else 0
    last, moved = None, time.monotonic()
    while (moment := look(campaign)).closed < wanted:
        now = time.monotonic()
        show(moment)
        if moment.failure and moment.number > history:
            raise DemoError(
                f"Round {moment.number} failed: {moment.failure}",
                remedy=f"Look at {moment.worker}.log first.",
            )
        if moment != last:
            last, moved = moment, now
        elif now - moved > patience_s:
            raise DemoError(
                f"Nothing has moved for {patience_s:.0f} s while round {moment.number} was"
                f" at “{moment.step}”.",
                remedy=f"Look at {moment.worker}.log first.",
            )
        check()
        crews.tend(languages_with_work(campaign), now=now)
        time.sleep(0.3)
    return moment
