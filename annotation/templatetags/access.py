"""Whether a page may offer what it links to: the same question that the door asks."""

from typing import Any

from django import template

from annotation.models import Campaign, Language
from annotation.permissions import Ability, may

register = template.Library()


@register.simple_tag(takes_context=True)
def allowed(
    context: dict[str, Any],
    ability: str,
    campaign: Campaign | None = None,
    language: Language | None = None,
) -> bool:
    """``{% allowed "lead" campaign as lead %}``: whether whoever reads the page may do it."""
    user = getattr(context.get("request"), "user", None)
    return user is not None and may(
        user, Ability(ability), campaign=campaign or None, language=language or None
    )
