"""Dispatches: when each piece of work was last handed to the workers."""

from django.db import models


class Dispatch(models.Model):
    """A message that is on its way or being worked on; until it is old it is not sent again."""

    key = models.CharField(max_length=200, unique=True)
    sent_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.key
