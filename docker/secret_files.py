"""Make the secrets of a compose installation, once: ``python3 docker/secret_files.py``.

One file each in ``docker/secrets/``; what is there already stays. The folder is its owner's alone;
the files can be read by the users of the containers that are given them.
"""

import secrets
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from config.secret_file import MAKERS  # noqa: E402 - this file is started by itself

FOLDER = HERE / "secrets"


def wanted() -> dict[str, str]:
    """Every file with a fresh value; addresses hold the password that is theirs."""
    fresh = {f"vernacular_{name}": make() for name, make in MAKERS.items()}
    ours, desk, redis = (secrets.token_urlsafe(24) for _ in range(3))
    return {
        **fresh,
        "vernacular_metrics_token": secrets.token_urlsafe(32),
        "postgres_password": secrets.token_urlsafe(24),
        "pages_database_password": ours,
        "vernacular_database_url": f"postgresql://vernacular:{ours}@postgres:5432/vernacular",
        "desk_database_password": desk,
        "vernacular_label_studio_database_url": f"postgresql://desk:{desk}@postgres:5432/desk",
        "redis_password": redis,
        "vernacular_redis_url": f"redis://:{redis}@redis:6379/0",
    }


def make(folder: Path) -> list[str]:
    """Write what is missing, all or nothing of a password and the address that holds it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    made = []
    values = wanted()
    if any((folder / name).exists() for name in values):
        missing = [name for name in values if not (folder / name).exists()]
        if missing:
            sys.exit(f"{folder} is not whole: {', '.join(missing)} are missing. Restore them.")
        return []
    for name, value in values.items():
        (folder / name).write_text(value)
        (folder / name).chmod(0o444)
        made.append(name)
    return made


if __name__ == "__main__":
    count = len(make(FOLDER))
    sys.stdout.write(f"{count} secrets made in {FOLDER}.\n" if count else "All are there.\n")
