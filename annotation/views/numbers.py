"""How a door reads a number that somebody has written."""

# More digits than any id has, and few enough for every database's whole numbers.
MOST_DIGITS = 18


def number_in(told: str) -> int | None:
    """Return the number that is written there, None if it is none that a row could have.

    >>> number_in(" 12 "), number_in("٣"), number_in("9" * 5000), number_in("²"), number_in("-1")
    (12, 3, None, None, None)
    """
    told = told.strip()
    return int(told) if told.isdecimal() and len(told) <= MOST_DIGITS else None
