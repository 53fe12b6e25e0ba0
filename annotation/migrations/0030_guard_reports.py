from django.db import migrations

EVENT, REPORT = "annotation_reportevent", "annotation_report"
KEPT = "events of reports are append-only"
AT_ODDS = "the event does not follow on what its report is"
APART = "only reports of one language are put together, and never in a ring"
FOLLOWED = "others were put to this report: they have to move first"
ALONE = "the state of a report is what its last event says"

# What must hold when an event arrives; NEW is the event, {same} compares with NULLs.
FOLLOWS = f"""NOT EXISTS (SELECT 1 FROM {REPORT} r WHERE r.id = NEW.report_id
    AND r.state = NEW.from_state AND r.events + 1 = NEW.number AND r.last_hash = NEW.previous)"""
WRONG_TARGET = f"""NEW.to_state = 'merged' AND NOT EXISTS (
    SELECT 1 FROM {REPORT} r JOIN {REPORT} t ON t.id = NEW.target_id
    WHERE r.id = NEW.report_id AND t.id <> r.id AND t.duplicate_of_id IS NULL
    AND t.state NOT IN ('new', 'withdrawn') AND t.campaign_id = r.campaign_id
    AND COALESCE(t.language_id, 0) = COALESCE(r.language_id, 0)
    AND (t.language_id IS NOT NULL OR t.tag = r.tag))"""
HAS_FOLLOWERS = f"""NEW.to_state IN ('merged', 'withdrawn') AND EXISTS (
    SELECT 1 FROM {REPORT} f WHERE f.duplicate_of_id = NEW.report_id)"""
MOVE = f"""UPDATE {REPORT} SET state = NEW.to_state, events = NEW.number, last_hash = NEW.hash,
    since = NEW.at, duplicate_of_id = CASE WHEN NEW.to_state = 'merged' THEN NEW.target_id END
    WHERE id = NEW.report_id"""
# NEW is the report. One without an event is only just being made.
STRAYS = f"""(NEW.events <> 0 OR NEW.state <> 'new' OR OLD.events <> 0) AND NOT EXISTS (
    SELECT 1 FROM {EVENT} e WHERE e.report_id = NEW.id AND e.number = NEW.events
    AND e.to_state = NEW.state AND e.hash = NEW.last_hash
    AND COALESCE(NEW.duplicate_of_id, 0)
        = CASE WHEN e.to_state = 'merged' THEN e.target_id ELSE 0 END
    AND NOT EXISTS (SELECT 1 FROM {EVENT} l WHERE l.report_id = NEW.id AND l.number > e.number))"""
BORN = "NEW.events <> 0 OR NEW.state <> 'new' OR NEW.duplicate_of_id IS NOT NULL"
COLUMNS = "state, events, last_hash, since, duplicate_of_id"
CHECKS = ((FOLLOWS, AT_ODDS), (WRONG_TARGET, APART), (HAS_FOLLOWERS, FOLLOWED))


def guard(apps, schema_editor):
    """Have the database itself move reports, by their events alone, whoever asks.

    SQLite loses triggers with the table when a later migration makes it anew; a test notices.
    """
    if schema_editor.connection.vendor == "postgresql":
        for statement in _postgresql():
            schema_editor.execute(statement)
        return
    for statement in _sqlite():
        schema_editor.execute(statement)


def _raise(words):
    return f"RAISE EXCEPTION '{words}' USING ERRCODE = 'integrity_constraint_violation';"


def _postgresql():
    checks = " ".join(f"IF {test} THEN {_raise(words)} END IF;" for test, words in CHECKS)
    bodies = {
        "kept": f"BEGIN {_raise(KEPT)} END",
        "follows": f"BEGIN {checks} RETURN NEW; END",
        "moves": f"BEGIN {MOVE}; RETURN NULL; END",
        "stays": f"BEGIN IF {STRAYS} THEN {_raise(ALONE)} END IF; RETURN NEW; END",
        "begins": f"BEGIN IF {BORN} THEN {_raise(ALONE)} END IF; RETURN NEW; END",
    }
    for name, body in bodies.items():
        yield (
            f"CREATE OR REPLACE FUNCTION annotation_report_{name}() RETURNS trigger AS $$ {body} $$"
            " LANGUAGE plpgsql"
        )
    run = "EXECUTE FUNCTION annotation_report_"
    row = f"FOR EACH ROW {run}"
    yield f"CREATE TRIGGER report_kept BEFORE UPDATE OR DELETE ON {EVENT} {row}kept()"
    yield f"CREATE TRIGGER report_no_truncate BEFORE TRUNCATE ON {EVENT} FOR EACH STATEMENT {run}kept()"
    yield f"CREATE TRIGGER report_follows BEFORE INSERT ON {EVENT} {row}follows()"
    yield f"CREATE TRIGGER report_moves AFTER INSERT ON {EVENT} {row}moves()"
    yield f"CREATE TRIGGER report_stays BEFORE UPDATE OF {COLUMNS} ON {REPORT} {row}stays()"
    yield f"CREATE TRIGGER report_begins BEFORE INSERT ON {REPORT} {row}begins()"


def _abort(words):
    return f"BEGIN SELECT RAISE(ABORT, '{words}'); END"


def _sqlite():
    for verb in ("UPDATE", "DELETE"):
        yield f"CREATE TRIGGER report_no_{verb.lower()} BEFORE {verb} ON {EVENT} {_abort(KEPT)}"
    there = (
        f"EXISTS (SELECT 1 FROM {EVENT} WHERE id = NEW.id"
        " OR (report_id = NEW.report_id AND number = NEW.number))"
    )
    yield f"CREATE TRIGGER report_no_replace BEFORE INSERT ON {EVENT} WHEN {there} {_abort(KEPT)}"
    for number, (test, words) in enumerate(CHECKS):
        yield (
            f"CREATE TRIGGER report_follows_{number} BEFORE INSERT ON {EVENT}"
            f" WHEN {test} {_abort(words)}"
        )
    yield f"CREATE TRIGGER report_moves AFTER INSERT ON {EVENT} BEGIN {MOVE}; END"
    yield (
        f"CREATE TRIGGER report_stays BEFORE UPDATE OF {COLUMNS} ON {REPORT}"
        f" WHEN {STRAYS} {_abort(ALONE)}"
    )
    yield f"CREATE TRIGGER report_begins BEFORE INSERT ON {REPORT} WHEN {BORN} {_abort(ALONE)}"


def let_go(apps, schema_editor):
    """Take the triggers away again."""
    if schema_editor.connection.vendor == "postgresql":
        for name in ("kept", "follows", "moves", "stays", "begins"):
            schema_editor.execute(f"DROP FUNCTION annotation_report_{name}() CASCADE")
        return
    names = ("no_update", "no_delete", "no_replace", "follows_0", "follows_1", "follows_2")
    for name in (*names, "moves", "stays", "begins"):
        schema_editor.execute(f"DROP TRIGGER report_{name}")


class Migration(migrations.Migration):
    dependencies = [("annotation", "0029_keep_leases_pending")]

    operations = [migrations.RunPython(guard, let_go)]
