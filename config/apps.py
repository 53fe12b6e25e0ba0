from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        # The web enqueues too; without this import its tasks would go to a default app.
        from config import celery  # noqa: F401
