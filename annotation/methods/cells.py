"""Cells of tables that people open in a spreadsheet."""


def inert(cell: str) -> str:
    """Return text that a spreadsheet shows instead of running it.

    >>> inert("=1+1"), inert("Awa")
    ("'=1+1", 'Awa')
    """
    return f"'{cell}" if cell[:1] in "=+-@\t\r" and cell else cell
