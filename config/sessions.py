"""Sessions in the database as Django keeps them, looked up without putting the question into SQL anew."""

from datetime import datetime
from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.utils import timezone

from annotation.models.often import Often

HELD = Often(
    lambda key, now: Session.objects.filter(session_key=key, expire_date__gt=now).values_list(
        "session_key", "session_data", "expire_date"
    ),
    key=str,
    now=datetime,
)


class SessionStore(db.SessionStore):
    """Django's own, but for how a session is found."""

    def _get_session_from_db(self) -> Any:
        row = HELD.first(key=self.session_key, now=timezone.now())
        if row is None:
            self._session_key = None
            return None
        return Session(
            **dict(zip(("session_key", "session_data", "expire_date"), row, strict=True))
        )
