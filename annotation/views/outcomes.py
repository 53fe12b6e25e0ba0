"""How a door tells what became of an action."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest

from annotation.errors import VernacularError


def attempt(request: HttpRequest, action: Callable[[], object], *, done: str) -> bool:
    """Do it and say so; a mendable error becomes a message with its remedy instead."""
    try:
        action()
    except VernacularError as error:
        messages.error(request, str(error))
        return False
    messages.success(request, done)
    return True
