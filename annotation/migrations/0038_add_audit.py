import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

TABLE = "annotation_auditentry"
KEPT = "the audit is append-only: what was done stays written down"


def make_append_only(apps, schema_editor):
    """Have the database itself refuse to change or remove what was written down.

    SQLite loses triggers with the table when a later migration makes it anew; a test notices.
    """
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE OR REPLACE FUNCTION annotation_audit_append_only() RETURNS trigger AS $$"
            f" BEGIN RAISE EXCEPTION '{KEPT}' USING ERRCODE = 'integrity_constraint_violation';"
            " END $$ LANGUAGE plpgsql"
        )
        schema_editor.execute(
            f"CREATE TRIGGER annotation_audit_append_only BEFORE UPDATE OR DELETE ON {TABLE}"
            " FOR EACH ROW EXECUTE FUNCTION annotation_audit_append_only()"
        )
        schema_editor.execute(
            f"CREATE TRIGGER annotation_audit_no_truncate BEFORE TRUNCATE ON {TABLE}"
            " FOR EACH STATEMENT EXECUTE FUNCTION annotation_audit_append_only()"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        schema_editor.execute(
            f"CREATE TRIGGER annotation_audit_no_{verb.lower()} BEFORE {verb} ON {TABLE}"
            f" BEGIN SELECT RAISE(ABORT, '{KEPT}'); END"
        )


def make_changeable(apps, schema_editor):
    """Take the triggers away again."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION annotation_audit_append_only() CASCADE")
        return
    for verb in ("update", "delete"):
        schema_editor.execute(f"DROP TRIGGER annotation_audit_no_{verb}")


class Migration(migrations.Migration):
    dependencies = [("annotation", "0037_find_desk_events_by_time")]

    operations = [
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "key",
                    models.BigIntegerField(
                        blank=True, help_text="Number of the API key.", null=True
                    ),
                ),
                (
                    "action",
                    models.CharField(
                        help_text="Name of the door, or of what was done.", max_length=80
                    ),
                ),
                ("campaign", models.CharField(blank=True, max_length=80)),
                ("named", models.JSONField(default=dict, help_text="What the address named.")),
                ("changed", models.JSONField(default=dict, help_text="Field to [before, after].")),
                (
                    "wrote",
                    models.JSONField(
                        default=dict, help_text="Table to [new, changed, removed] calls."
                    ),
                ),
                ("request_id", models.CharField(blank=True, max_length=64)),
                (
                    "actor",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "audit entries",
                "ordering": ("-pk",),
                "indexes": [
                    models.Index(fields=["campaign", "-id"], name="audit_by_campaign"),
                ],
            },
        ),
        migrations.RunPython(make_append_only, make_changeable),
    ]
