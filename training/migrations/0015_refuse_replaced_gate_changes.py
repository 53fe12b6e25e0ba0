from django.db import migrations

TABLE = "training_gatechange"
KEPT = "changes of the gate are append-only: a change back is one more row"
# Whatever an ``INSERT OR REPLACE`` would quietly remove a row for.
KEYS = (
    "id = NEW.id",
    "campaign_id = NEW.campaign_id AND number = NEW.number",
    "agrees_to_id = NEW.agrees_to_id",
)


def close_the_back_doors(apps, schema_editor):
    """Refuse what goes round triggers on rows: REPLACE on SQLite, TRUNCATE on PostgreSQL.

    SQLite fires no trigger for a row that is replaced unless the connection asks for it, and a file
    may be opened by others than us: so what would replace a row is refused when it arrives.
    """
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            f"CREATE TRIGGER {TABLE}_no_truncate BEFORE TRUNCATE ON {TABLE}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {TABLE}_append_only()"
        )
        return
    there = " OR ".join(f"({key})" for key in KEYS)
    schema_editor.execute(
        f"CREATE TRIGGER {TABLE}_no_replace BEFORE INSERT ON {TABLE}"
        f" WHEN EXISTS (SELECT 1 FROM {TABLE} WHERE {there})"
        f" BEGIN SELECT RAISE(ABORT, '{KEPT}'); END"
    )


def open_them(apps, schema_editor):
    """Take the triggers away again."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP TRIGGER {TABLE}_no_truncate ON {TABLE}")
        return
    schema_editor.execute(f"DROP TRIGGER {TABLE}_no_replace")


class Migration(migrations.Migration):
    dependencies = [("training", "0014_add_letters")]

    operations = [migrations.RunPython(close_the_back_doors, open_them)]
