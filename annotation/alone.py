"""Work that one thread of a process does at a time for each key; who comes meanwhile leaves word."""

from threading import Lock


class Alone:
    """Who is at what, and of what somebody asked once more since.

    >>> alone = Alone()
    >>> alone.begin(7), alone.begin(7), alone.begin(8)
    (True, False, True)
    >>> alone.end(7), alone.end(8), alone.begin(7), alone.end(7)
    (True, False, True, False)
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._asked: dict[int, bool] = {}

    def begin(self, key: int) -> bool:
        """Whether to begin; else whoever is at it learns that there is more to do."""
        with self._lock:
            begins = key not in self._asked
            self._asked[key] = not begins
            return begins

    def end(self, key: int) -> bool:
        """Leave off; whether somebody has asked meanwhile."""
        with self._lock:
            return self._asked.pop(key)
