"""Cells of tables that people open in a spreadsheet."""

# What a spreadsheet may take for the beginning of a formula.
RUN = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def inert(cell: str) -> str:
    """Return text that a spreadsheet shows instead of running it.

    Some read full-width signs as plain ones.

    >>> inert("=1+1"), inert("＠SUM(A1)"), inert("Awa")
    ("'=1+1", "'＠SUM(A1)", 'Awa')
    """
    return f"'{cell}" if cell.startswith(RUN) else cell
