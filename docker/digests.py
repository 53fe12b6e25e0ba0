"""Pin the images of others by digest: ``python3 docker/digests.py [--registry https://mirror.example]``.

Asks the registry what each name means today, and writes it into ``docker/.env``, which Compose reads;
whatever else stands there stays. Nothing is written unless every image was found.
"""

import argparse
import json
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAMED = re.compile(r"(\w+_IMAGE)(?:=|:-)docker\.io/([\w/.-]+):([\w.-]+)")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# An index of all kinds of machines first: one digest holds for every one of them.
KINDS = (
    *("application/vnd.oci.image.index.v1+json",),
    *("application/vnd.docker.distribution.manifest.list.v2+json",),
)
PATIENCE_S = 20


def images() -> dict[str, tuple[str, str]]:
    """Every image of others by the name of its setting: repository and tag."""
    told = "".join((HERE / name).read_text() for name in ("Dockerfile", "compose.yaml"))
    return {setting: (place, tag) for setting, place, tag in NAMED.findall(told)}


def digest_of(place: str, tag: str, *, registry: str) -> str:
    """What a registry says that a tag means; where it asks for a ticket first, one is fetched."""
    address = f"{registry.rstrip('/')}/v2/{place}/manifests/{tag}"
    headers = {"Accept": ", ".join(KINDS)}
    try:
        return _asked(address, headers)
    except urllib.error.HTTPError as error:
        if error.code != 401:
            raise
        ticket = _ticket(error.headers.get("WWW-Authenticate", ""))
    return _asked(address, headers | {"Authorization": f"Bearer {ticket}"})


def _asked(address: str, headers: dict[str, str]) -> str:
    request = urllib.request.Request(address, headers=headers, method="HEAD")  # noqa: S310
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310 - as it was told
        found = str(answer.headers.get("Docker-Content-Digest", ""))
    if not DIGEST.fullmatch(found):
        raise ValueError(f"{address} tells no digest")
    return found


def _ticket(challenge: str) -> str:
    told = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    address = f"{told['realm']}?service={told.get('service', '')}&scope={told.get('scope', '')}"
    with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:  # noqa: S310
        body = json.load(answer)
    return str(body.get("token") or body["access_token"])


def write(file: Path, pinned: dict[str, str]) -> None:
    """Put settings into a file of them, in place of what they were."""
    before = file.read_text().splitlines() if file.exists() else []
    kept = [line for line in before if _name(line) not in pinned]
    lines = [*kept, *(f"{name}={image}" for name, image in sorted(pinned.items()))]
    # Beside it first: what else it holds must not be lost on a disk that is full.
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_text("\n".join(lines) + "\n")
    if file.exists():
        fresh.chmod(file.stat().st_mode & 0o777)
    fresh.replace(file)


def _name(line: str) -> str:
    """Which setting a line of the file sets."""
    return line.partition("=")[0].strip().removeprefix("export ").strip()


def main(arguments: list[str]) -> None:
    """Ask for all, then write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--registry", default="https://registry-1.docker.io")
    parser.add_argument("--file", type=Path, default=HERE / ".env")
    options = parser.parse_args(arguments)
    pinned = {}
    for setting, (place, tag) in images().items():
        try:
            digest = digest_of(place, tag, registry=options.registry)
        except (OSError, ValueError, KeyError) as error:
            sys.exit(
                f"{place}:{tag} was not found at {options.registry}: {error}. Nothing written."
            )
        # The tag stands beside it for people; the digest alone counts.
        pinned[setting] = f"docker.io/{place}:{tag}@{digest}"
    write(options.file, pinned)
    sys.stdout.write("".join(f"{name}={image}\n" for name, image in pinned.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
