from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "training"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """What runs learn is what answers were aggregated to: closed to whoever judges."""
        from annotation.actions.judging import close_copies
        from training.models import SnapshotRow

        close_copies(table=SnapshotRow._meta.db_table, column="target")
