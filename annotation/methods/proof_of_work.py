"""Proof of work: a sum that is quick to check and takes a browser a moment (Dwork & Naor 1992,
*Pricing via processing or combatting junk mail*; the hashes are those of Back 2002, *Hashcash*).

Several small puzzles in place of one: the work is the same on average and far less left to luck. A puzzle
n is solved by a number whose SHA-256 with the seed, ``seed:n:number``, begins with ``BITS`` zero bits.

Reckoned for a cheap phone: 8 puzzles of 11 bits take 16,384 hashes on average, and in 99 of 100 tries fewer
than 32,000 (the sum of 8 geometric numbers). ``static/annotation/proof.js`` makes 1.2 million a second on a core
of a server, and 80,000 on a phone that is fifteen times as slow: .2 s on average, .4 s in 99 of 100.
"""

import hashlib
from collections.abc import Sequence
from itertools import count

PUZZLES, BITS = 8, 11


def seed_of(*told: str) -> str:
    """Return the seed that stands for what a sum is about, short enough for one block of a hash.

    >>> len(seed_of("a form", "its key")), seed_of("a", "b") == seed_of("a", "c")
    (32, False)
    """
    return hashlib.sha256("\0".join(told).encode()).hexdigest()[:32]


def is_solved(seed: str, numbers: Sequence[int]) -> bool:
    """Tell whether every puzzle of a seed is solved, one hash each.

    >>> numbers = solve("a seed")
    >>> is_solved("a seed", numbers), is_solved("another", numbers), is_solved("a seed", numbers[:-1])
    (True, False, False)
    """
    return len(numbers) == PUZZLES and all(
        _fits(seed, n, number) for n, number in enumerate(numbers)
    )


def solve(seed: str) -> list[int]:
    """Return the smallest number for each puzzle of a seed, as a browser looks for them.

    >>> solve("x") == solve("x")
    True
    """
    return [next(one for one in count() if _fits(seed, n, one)) for n in range(PUZZLES)]


def _fits(seed: str, n: int, number: int) -> bool:
    told = hashlib.sha256(f"{seed}:{n}:{number}".encode()).digest()
    return int.from_bytes(told[:4], "big") >> (32 - BITS) == 0
