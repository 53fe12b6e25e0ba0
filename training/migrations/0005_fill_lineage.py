import hashlib
import hmac

from django.conf import settings
from django.db import migrations

BATCH = 2000


def look_back(apps, schema_editor):
    """Write down what the snapshots that are there brought, and against what they were taken."""
    snapshots = apps.get_model("training", "DataSnapshot")
    runs = apps.get_model("training", "TrainingRun")
    for snapshot in snapshots.objects.all():
        run = runs.objects.filter(snapshot=snapshot).order_by("pk").first()
        if run is not None:
            snapshot.against_id = run.base_id
            snapshot.save(update_fields=["against"])
        _index(apps, snapshot)


def _index(apps, snapshot):
    answers = apps.get_model("annotation", "Annotation")
    learned = apps.get_model("training", "LearnedAnswer")
    rows = apps.get_model("training", "SnapshotRow").objects.filter(snapshot=snapshot, fresh=True)
    waiting = []
    for revisions, licence in rows.values_list("revisions", "sample__source__licence").iterator():
        people = dict(
            answers.objects.filter(pk__in=[pk for pk, _ in revisions]).values_list(
                "pk", "annotator_id"
            )
        )
        waiting += [
            learned(
                snapshot=snapshot,
                annotation_id=pk,
                revision=revision,
                licence=licence or "",
                person=_pseudonym(people[pk]),
            )
            for pk, revision in revisions
            if pk in people
        ]
        if len(waiting) >= BATCH:
            learned.objects.bulk_create(waiting)
            waiting = []
    learned.objects.bulk_create(waiting)


def _pseudonym(number):
    code = hmac.new(settings.SECRET_KEY.encode(), f"annotator:{number}".encode(), hashlib.sha256)
    return f"p-{code.hexdigest()[:12]}"


class Migration(migrations.Migration):
    dependencies = [("training", "0004_add_lineage")]

    operations = [
        migrations.RunPython(look_back, migrations.RunPython.noop),
    ]
