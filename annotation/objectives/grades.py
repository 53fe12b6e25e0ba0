"""The kind of question “how much of it?”: one text, one grade of several that stand in an order.

What people choose, and how, is as with classes: one label of the campaign, in the order in which it
lists them. The order counts afterwards: a grade that is off by one is less wrong than one that is
off by two, in the agreement between people and in what a version is worth.
"""

from django.utils.translation import gettext_lazy as _

from annotation.objectives.classes import (
    FORM,
    PARTS,
    PLAIN,
    READS_TEXT,
    desk_config,
    keys_in,
    name_of,
    parse,
    result_of,
    told,
)

__all__ = [
    "FORM",
    "ORDERED",
    "PARTS",
    "PLAIN",
    "READS_TEXT",
    "TITLE",
    "desk_config",
    "keys_in",
    "name_of",
    "parse",
    "result_of",
    "told",
]

TITLE = _("one of several grades, in order")
ORDERED = True
