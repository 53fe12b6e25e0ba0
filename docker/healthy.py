"""Exit with 0 if an address answers without an error: for health checks, standard library only."""

import sys
import urllib.request


def main() -> None:
    """Ask once; whatever goes wrong says so by the exit code."""
    with urllib.request.urlopen(sys.argv[1], timeout=4) as answer:  # noqa: S310 - our own address
        sys.exit(0 if answer.status < 400 else 1)


if __name__ == "__main__":
    main()
