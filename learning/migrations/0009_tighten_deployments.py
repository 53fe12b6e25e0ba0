import hashlib
import json

from django.db import migrations

UPDATED = "deployments are append-only: a rollback is one more row"
DELETED = "deployments are append-only: none is ever removed"


def make_append_only(apps, schema_editor):
    """Have the database itself refuse to change history, whoever asks.

    SQLite loses triggers with the table when a later migration makes it anew; a test notices.
    """
    table = "learning_deployment"
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE OR REPLACE FUNCTION learning_deployment_append_only() RETURNS trigger AS $$"
            f" BEGIN RAISE EXCEPTION '{UPDATED}' USING ERRCODE = 'integrity_constraint_violation';"
            " END $$ LANGUAGE plpgsql"
        )
        schema_editor.execute(
            f"CREATE TRIGGER learning_deployment_append_only BEFORE UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION learning_deployment_append_only()"
        )
        return
    for verb, words in (("UPDATE", UPDATED), ("DELETE", DELETED)):
        schema_editor.execute(
            f"CREATE TRIGGER learning_deployment_no_{verb.lower()} BEFORE {verb} ON {table}"
            f" BEGIN SELECT RAISE(ABORT, '{words}'); END"
        )


def make_changeable(apps, schema_editor):
    """Take the triggers away again."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION learning_deployment_append_only() CASCADE")
        return
    for verb in ("update", "delete"):
        schema_editor.execute(f"DROP TRIGGER learning_deployment_no_{verb}")


def identify(apps, schema_editor):
    """Give the versions that are there their identity, ancestors first."""
    versions = apps.get_model("learning", "ModelVersion")
    known = {}
    for version in versions.objects.order_by("campaign_id", "number"):
        facts = {
            "weights": version.digest,
            "network": version.network,
            "manifest": _plain(version.manifest),
            "base": known.get(version.base_id, ""),
            "parents": [],
        }
        text = json.dumps(facts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        version.identity = known[version.pk] = hashlib.sha256(text.encode()).hexdigest()
        version.save(update_fields=["identity"])


def _plain(value):
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


class Migration(migrations.Migration):
    dependencies = [("learning", "0008_identify_versions")]

    operations = [
        migrations.RunPython(identify, migrations.RunPython.noop),
        migrations.RunPython(make_append_only, make_changeable),
    ]
