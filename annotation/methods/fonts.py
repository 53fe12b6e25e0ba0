"""Which scripts phones often have no font for."""

# Those that `static/annotation/fonts/fonts.css` holds a font of.
SCRIPTS = frozenset(("Adlm", "Aran", "Bugi", "Ethi", "Java", "Mymr", "Nkoo", "Tfng"))
# Written in Nastaliq, whatever Arabic font a device has.
NASTALIQ = frozenset(("ks", "pnb", "skr", "ur"))


def needs_font(tag: str, *, script: str) -> bool:
    """Whether a page in this language brings a font for devices that have none.

    >>> needs_font("ff-Adlm", script="Adlm"), needs_font("ur", script="Arab")
    (True, True)
    >>> needs_font("wo", script="Latn"), needs_font("ar", script="Arab")
    (False, False)
    """
    parts = tag.split("-")
    named = {part.title() for part in parts[1:]} | {script}
    return bool(named & SCRIPTS) or (parts[0] in NASTALIQ and script == "Arab")
