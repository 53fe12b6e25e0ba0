"""Leaks: does a training text say nearly the same as a gold text?

Texts are compared without case, punctuation, spacing or marks, by the runs of three letters they
share (Jaccard 1912). Which pairs can reach the threshold at all is found by the prefixes of their
rarest runs (Bayardo et al. 2007, *Scaling up all pairs similarity search*), so that a text of
the training set is held against a handful of gold texts, not against all.
"""

import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable

NEAR = 0.9
# In so short a text marks alone tell two words apart; it must be equal but for case and spacing.
SHORT = 12


def bare(text: str) -> str:
    """Return the letters and digits of a text, without case and, unless it is short, marks.

    >>> bare("  Ẹ káàárọ̀, ẹ kú iṣẹ́! "), bare("ọkọ̀") == bare("ọkọ")
    ('e kaaaro e ku ise', False)
    """
    folded = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(sign for sign in folded if unicodedata.category(sign) != "Mn")
    letters = " ".join("".join(s if s.isalnum() else " " for s in plain).split())
    if len(letters.replace(" ", "")) >= SHORT:
        return letters
    kept = (s if s.isalnum() or unicodedata.category(s)[0] == "M" else " " for s in folded)
    return " ".join("".join(kept).split()) or " ".join(folded.split())


class Likeness:
    """Gold texts, ready to be asked whether another text is nearly one of them.

    >>> gold = Likeness(["The password has been changed for you.", "Sign in"])
    >>> gold.like("the PASSWORD has  been changed for you"), gold.like("The password is wrong.")
    (True, False)
    """

    def __init__(self, texts: Iterable[str], *, threshold: float = NEAR) -> None:
        self._threshold = threshold
        self._texts = sorted({bare(text) for text in texts})
        self._often: Counter[str] = Counter()
        for text in self._texts:
            self._often.update(_runs(text))
        self._having: dict[str, list[int]] = defaultdict(list)
        for at, text in enumerate(self._texts):
            for run in self._prefix(_runs(text)):
                self._having[run].append(at)

    def like(self, text: str) -> bool:
        """Tell whether the text is nearly a gold text."""
        runs = _runs(bare(text))
        tried: set[int] = set()
        for run in self._prefix(runs):
            for at in self._having.get(run, ()):
                if at not in tried and self._alike(runs, _runs(self._texts[at])):
                    return True
                tried.add(at)
        return False

    def _alike(self, one: set[str], other: set[str]) -> bool:
        return len(one & other) >= self._threshold * len(one | other)

    def _prefix(self, runs: set[str]) -> list[str]:
        rarest = sorted(runs, key=lambda run: (self._often[run], run))
        return rarest[: len(runs) - math.ceil(self._threshold * len(runs)) + 1]


def _runs(text: str) -> set[str]:
    padded = f"  {text} "
    return {padded[at : at + 3] for at in range(len(padded) - 2)}
