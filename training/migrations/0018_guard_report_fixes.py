from django.db import migrations

EVENT = "annotation_reportevent"
UNPROVEN = "no report is released without a case and a fix that was verified on what serves"
UNASKED = "a case that holds words of a reporter needs their consent to testing"
NO_PROOF = f"""NEW.to_state = 'released' AND NOT (
    EXISTS (SELECT 1 FROM training_reportcase l JOIN training_regressioncase c ON c.id = l.case_id
        WHERE l.report_id = NEW.report_id AND c.active)
    AND EXISTS (SELECT 1 FROM training_verification v WHERE v.report_id = NEW.report_id
        AND v.state = 'passed' AND v.version_id = (
            SELECT d.version_id FROM learning_deployment d
            JOIN annotation_report r ON r.campaign_id = d.campaign_id
            WHERE r.id = NEW.report_id ORDER BY d.number DESC LIMIT 1)))"""
NO_CONSENT = """NOT NEW.own_words AND NOT EXISTS (
    SELECT 1 FROM annotation_report r WHERE r.id = NEW.report_id AND r.consent_test)"""
WATCHED = (
    ("proven", EVENT, "INSERT", NO_PROOF, UNPROVEN),
    ("asked", "training_reportcase", "INSERT", NO_CONSENT, UNASKED),
    ("asked_still", "training_reportcase", "UPDATE", NO_CONSENT, UNASKED),
)


def guard(apps, schema_editor):
    """Have the database ask for the proof of a fix, and for consent, whoever writes the row.

    SQLite loses triggers with the table when a later migration makes it anew; a test notices.
    """
    for name, table, verb, test, words in WATCHED:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(
                f"CREATE OR REPLACE FUNCTION training_report_{name}() RETURNS trigger AS $$ BEGIN"
                f" IF {test} THEN RAISE EXCEPTION '{words}'"
                " USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NEW; END $$"
                " LANGUAGE plpgsql"
            )
            schema_editor.execute(
                f"CREATE TRIGGER fix_{name} BEFORE {verb} ON {table}"
                f" FOR EACH ROW EXECUTE FUNCTION training_report_{name}()"
            )
        else:
            schema_editor.execute(
                f"CREATE TRIGGER fix_{name} BEFORE {verb} ON {table} WHEN {test}"
                f" BEGIN SELECT RAISE(ABORT, '{words}'); END"
            )


def let_go(apps, schema_editor):
    """Take the triggers away again."""
    for name, _, _, _, _ in WATCHED:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"DROP FUNCTION training_report_{name}() CASCADE")
        else:
            schema_editor.execute(f"DROP TRIGGER fix_{name}")


class Migration(migrations.Migration):
    dependencies = [
        ("training", "0017_add_report_fixes"),
        ("annotation", "0030_guard_reports"),
        ("learning", "0009_tighten_deployments"),
    ]

    operations = [migrations.RunPython(guard, let_go)]
