"""Numbers of light answers: whoever had a text on two devices answers it under two numbers, once."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from annotation.actions.revisions import Said
from annotation.models import Annotation, AnswerNumber


@dataclass(frozen=True)
class Held:
    """What we hold under a number: the answer, and its further number if it came by that one."""

    annotation: Annotation
    number: AnswerNumber | None

    @property
    def edit(self) -> int:
        """How often it was changed under this number."""
        return self.number.edit if self.number else self.annotation.edit

    @property
    def spoke_last(self) -> bool:
        """Whether what holds came under this number."""
        at = self.annotation.given_at
        if self.number is not None:
            return self.number.given_at == at
        return at is None or not self.annotation.numbers.filter(given_at=at).exists()

    def has_heard(self, said: Said, *, edit: int) -> bool:
        """Whether this very change came before, however the answer was changed since."""
        if self.annotation.state == Annotation.State.WITHDRAWN or edit < self.edit:
            return True
        if edit > self.edit:
            return False
        past = self.annotation.revisions.filter(state=said.state, flag=said.flag, note=said.note)
        return any(one.answer == said.answer for one in past)

    def note(self, *, edit: int, given_at: datetime) -> None:
        """Remember which change was the last under this number."""
        if self.number is None:
            self.annotation.edit = edit
            self.annotation.save(update_fields=["edit"])
        else:
            self.number.edit, self.number.given_at = edit, given_at
            self.number.save(update_fields=["edit", "given_at"])


def answer_under(uid: uuid.UUID) -> Held | None:
    """Return what we hold under a number, be it the answer's own or that of a second device."""
    further = AnswerNumber.objects.select_related("annotation__item__campaign_language")
    number = further.filter(uid=uid).first()
    if number is not None:
        return Held(number.annotation, number)
    own = Annotation.objects.filter(uid=uid).select_related("item__campaign_language").first()
    return Held(own, None) if own is not None else None
