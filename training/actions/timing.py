"""Timing: how large and how quick a network is before and after it was made smaller."""

import time
from pathlib import Path
from typing import Any

from training.actions.claims import Claim
from training.methods.speeds import times_as_quick, typical

# Texts of the pool that size up the speed.
TEXTS = 200
# Turns in which both are timed, one after the other; fewer where that takes long.
TURNS, LEAST_TURNS, LONG = 7, 3, 90.0


def sizes_and_speeds(claim: Claim, *, before: Path, after: Path) -> dict[str, Any]:
    """Return both sizes, and both speeds with 95 % intervals, timed in turn on the same texts.

    A busy machine is then as unfair to one as to the other; how many times as quick the second
    is comes from the turns and not from the two means.
    """
    from learning.inference import device
    from learning.networks.opening import load_network
    from learning.networks.runtimes import pace

    rows = claim.run.campaign.samples.pool().order_by("uid").values_list("text", "language__tag")
    texts, tags = zip(*rows[:TEXTS] or [("-", "und")], strict=True)
    folders = {"before": before, "after": after}
    networks = {name: load_network(folder) for name, folder in folders.items()}
    for network in networks.values():
        network.module.to(device()).eval()
    speeds: dict[str, list[float]] = {name: [] for name in folders}
    begun = time.monotonic()
    for turn in range(TURNS):
        if turn >= LEAST_TURNS and time.monotonic() - begun > LONG:
            break
        for name, network in networks.items():
            speeds[name].append(pace(network, texts, tags, device=device().type))
            claim.beat(force=True)
    told: dict[str, Any] = {"texts_timed": len(texts), "timed_on": device().type}
    for name, folder in folders.items():
        told[f"bytes_{name}"] = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        speed = typical(speeds[name])
        told[f"texts_per_second_{name}"] = round(speed.value or 0.0, 1)
        told[f"texts_per_second_{name}_95"] = [round(v or 0.0, 1) for v in (speed.low, speed.high)]
    quicker = times_as_quick(speeds["before"], speeds["after"])
    told["times_as_quick"] = [quicker.value, quicker.low, quicker.high]
    return told
