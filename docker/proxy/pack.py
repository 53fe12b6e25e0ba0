"""Make Label Studio's own files small once, for the proxy to send: ``python pack.py FROM TO``.

FROM is the site-packages folder of Label Studio's environment, TO a folder that the proxy can read;
``pip install brotli`` first. What a browser downloads on its first visit is a fifth smaller so than
with gzip. Run it again after Label Studio was installed anew: TO is emptied first.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

# As the addresses in label-studio.conf.template name them, and where they lie in the packages.
FOLDERS = {
    "react-app": "web/dist/apps/labelstudio",
    "static": "label_studio/core/static_build",
}
KINDS = {".css", ".js", ".json", ".otf", ".svg", ".ttf", ".wasm"}
LEAST_BYTES = 500


def pack(packages: Path, to: Path) -> tuple[int, int]:
    """Write each file under its own name, compressed; return the bytes before and after."""
    import brotli

    shutil.rmtree(to / "br", ignore_errors=True)
    before = after = 0
    for source, place in files(packages):
        plain = source.read_bytes()
        small = brotli.compress(plain, quality=11, lgwin=22)
        target = to / "br" / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(small)
        before, after = before + len(plain), after + len(small)
    return before, after


def files(packages: Path) -> Iterator[tuple[Path, Path]]:
    """Every file that is worth it, and its address."""
    for address, folder in FOLDERS.items():
        for path in sorted((packages / folder).rglob("*")):
            if path.suffix in KINDS and path.is_file() and path.stat().st_size >= LEAST_BYTES:
                yield path, Path(address) / path.relative_to(packages / folder)


def main() -> None:
    """Pack, and say what came of it."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    packages, to = Path(sys.argv[1]), Path(sys.argv[2])
    if not any(files(packages)):
        sys.exit(f"There is no Label Studio in {packages}: name its site-packages folder.")
    try:
        before, after = pack(packages, to)
    except ImportError:
        sys.exit("This needs brotli: pip install brotli")
    sys.stdout.write(f"{before / 1e6:.1f} MB packed into {after / 1e6:.1f} MB, in {to}/br\n")


if __name__ == "__main__":
    main()
