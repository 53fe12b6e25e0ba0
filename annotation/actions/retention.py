"""Retention: what nobody needs any more goes by itself, once a day."""

from datetime import datetime, timedelta

from django.contrib.sessions.models import Session
from django_otp.plugins.otp_totp.models import TOTPDevice

from annotation.actions.reports.following import erase_around
from annotation.models import LinkMiss, Report, ReportState

A_DAY = timedelta(days=1)


def forget_what_is_over(now: datetime) -> int:
    """Remove sessions that have run out, counts of wrong tries, and phones that were never confirmed.

    And what older releases left of reports that were taken back.
    """
    over = (
        Session.objects.filter(expire_date__lt=now),
        LinkMiss.objects.filter(created_at__lt=now - A_DAY),
        TOTPDevice.objects.filter(confirmed=False, created_at__lt=now - A_DAY),
    )
    taken_back = Report.objects.filter(state=ReportState.WITHDRAWN)
    return sum(rows.delete()[0] for rows in over) + erase_around(taken_back)
