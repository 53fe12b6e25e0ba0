"""Doors for workers of reports: take them on, tell whom it concerns, learn their languages."""

import logging

from celery import shared_task

logger = logging.getLogger(__name__)


@shared_task(name="annotation.tasks.tend_reports")
def tend_reports(**_: object) -> None:
    """Screen what came in, do what is due on reports, and tell whom it concerns."""
    from django.utils import timezone

    from annotation.actions.reports.timers import tend
    from annotation.actions.reports.tongues import detect_waiting

    tend(timezone.now())
    detect_waiting()


@shared_task(name="annotation.tasks.learn_report_languages")
def learn_report_languages(**_: object) -> None:
    """Learn what tells the languages of open campaigns apart, where much has come since."""
    from django.utils import timezone

    from annotation.actions.reports.tongues import campaigns_to_learn, learn_languages
    from annotation.models import Campaign

    now = timezone.now()
    for campaign in Campaign.objects.filter(pk__in=campaigns_to_learn(now)):
        learn_languages(campaign, now=now)


@shared_task(name="annotation.tasks.ring_report_bells")
def ring_report_bells(**_: object) -> None:
    """Ring in the browsers of who wants to hear what became of their report."""
    from django.utils import timezone

    from annotation.actions.reports.bells import ring_all
    from annotation.gateways.push import PushRinger

    ring_all(timezone.now(), ringer=PushRinger())


@shared_task(name="annotation.tasks.send_report_letters")
def send_report_letters(**_: object) -> None:
    """Tell who left an address what became of their report; a mail server that is away, later."""
    from django.utils import timezone

    from annotation.actions.reports.letters import send_report_letters
    from annotation.errors import TransientError

    try:
        send_report_letters(timezone.now())
    except TransientError as error:
        logger.warning("Letters about reports wait, since the mail server is away: %s", error)
