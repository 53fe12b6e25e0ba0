"""Fields: what a form of ours sends of an answer, whatever the kind of question."""

from django.http import HttpRequest

from annotation.models import Campaign
from annotation.objectives import objective

# Stands before the name of every field of an answer that has more than a label to press.
OF_THE_ANSWER = "a."


def fields_of(request: HttpRequest) -> dict[str, list[str]]:
    """All that was filled in or ticked, by the field's name; or the one label that was pressed."""
    sent = request.POST
    found = {
        name.removeprefix(OF_THE_ANSWER): sent.getlist(name)
        for name in sent
        if name.startswith(OF_THE_ANSWER)
    }
    return found or {"label": [sent.get("label", "")]}


def form_of(campaign: Campaign) -> str:
    """The part of our pages that takes an answer to the campaign's question."""
    return objective(campaign.objective).FORM
