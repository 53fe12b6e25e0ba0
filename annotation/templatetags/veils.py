"""The cover of hard texts: ``{% veiled veil %}…{% endveiled %}``, lifted by a tap or a key, without scripts."""

from django import template
from django.template.base import FilterExpression, NodeList, Parser, Token
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from annotation.actions.reports.welfare import OPEN, Veil

register = template.Library()


class Veiled(template.Node):
    """What stands between the tags: open, covered, or kept for another day."""

    def __init__(self, veil: FilterExpression, *, inside: NodeList) -> None:
        self.veil, self.inside = veil, inside

    def render(self, context: template.Context) -> SafeString:
        """Return it as a veil has it; without one it is open."""
        found = self.veil.resolve(context)
        veil: Veil = found if isinstance(found, Veil) else OPEN
        if veil.kept:
            return format_html('<span class="quiet">{}</span>', _("Not today: it may hurt."))
        inside = self.inside.render(context)
        if not veil.covered:
            return inside
        said = _("Show the text: it may hurt")
        return format_html('<details class="veil"><summary>{}</summary>{}</details>', said, inside)


@register.tag
def veiled(parser: Parser, token: Token) -> Veiled:
    """Cover hard words as a veil of ``welfare`` says."""
    _name, told = token.split_contents()
    inside = parser.parse(("endveiled",))
    parser.delete_first_token()
    return Veiled(parser.compile_filter(told), inside=inside)
