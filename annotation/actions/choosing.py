"""Choosing: what somebody says of a text as one of the campaign's labels, plain or composed."""

from django.utils.translation import gettext as _

from annotation.errors import InvalidInputError
from annotation.models import Campaign, Label
from annotation.objectives import Answer, Fields, objective, read_form

LONGEST_NAME = 120


def label_for(campaign: Campaign, *, answer: Answer) -> Label:
    """The label that an answer names; one that is composed is kept the first time it is said."""
    if "value" not in answer:
        return Label.objects.get(campaign=campaign, key=answer["label"])
    known = Label.everything.filter(campaign=campaign, key=answer["label"]).first()
    if known is not None:
        return known
    names = _names(campaign, value=answer["value"])
    return Label.everything.get_or_create(
        campaign=campaign,
        key=answer["label"],
        defaults={
            "position": Label.COMPOSED,
            "value": answer["value"],
            "name": names.pop(""),
            "names": names,
        },
    )[0]


def chosen_label(campaign: Campaign, *, fields: Fields, text: str = "") -> Label:
    """The label that somebody chose in a form of ours; raise if there is none."""
    keys = list(campaign.labels.values_list("key", flat=True))
    parsed = read_form(campaign.objective, fields, keys=keys, text=text)
    if not parsed.label:
        plain = parsed.reason in ("empty", "unknown_label")
        raise InvalidInputError(_("Choose one of the labels.") if plain else parsed.detail)
    return label_for(campaign, answer=parsed.answer)


def _names(campaign: Campaign, *, value: object) -> dict[str, str]:
    """What a composed answer is called in every language that has names of its own; "" the plain."""
    kind, labels = objective(campaign.objective), list(campaign.labels.all())
    return {
        tag: kind.name_of(value, names={one.key: one.name_in(tag) for one in labels})[:LONGEST_NAME]
        for tag in {"", *(tag for label in labels for tag in label.names)}
    }
