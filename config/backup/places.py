"""Where an installation keeps what a backup holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connection

from config.desk_service import DATABASE

SECRETS = "secrets.json"
# Files that are written once under a name of their own and never changed: a link is a copy.
NEVER_CHANGED = ("weights", "embeddings")


@dataclass(frozen=True)
class Place:
    """Databases are a path (SQLite) or an address (PostgreSQL); an empty one is not ours to copy.

    ``weights`` is None where they live in a bucket.
    """

    var: Path
    database: str
    desk_database: str
    weights: Path | None
    embeddings: Path
    uploads: Path

    @classmethod
    def here(cls) -> "Place":
        """This installation, as its settings say."""
        ours = settings.ENV.database_url or str(connection.settings_dict["NAME"])
        var = Path(settings.VAR_DIR)
        own_desk = var / "label-studio" / DATABASE
        return cls(
            var=var,
            database=ours,
            desk_database=settings.ENV.label_studio_database_url or str(own_desk),
            weights=None if settings.WEIGHTS_BUCKET else Path(settings.WEIGHTS_DIR),
            embeddings=Path(settings.EMBEDDINGS_DIR),
            uploads=Path(settings.MEDIA_ROOT),
        )

    @property
    def databases(self) -> Mapping[str, str]:
        """Ours first: what lies between the two is then only in the other, which is asked again."""
        return {"database": self.database, "label-studio": self.desk_database}

    @property
    def trees(self) -> Mapping[str, Path]:
        """Folders by the name that they have in a backup."""
        found = {
            "uploads": self.uploads,
            "translations": self.var / "translations",
            "label-studio-media": self.var / "label-studio/media",
            "embeddings": self.embeddings,
        }
        return found if self.weights is None else {**found, "weights": self.weights}


def is_address(database: str) -> bool:
    """Whether a database is a server's and no file."""
    return "://" in database
