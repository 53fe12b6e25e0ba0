"""What an installation needs before it serves: tables, static files, somebody who may sign in."""

from django.contrib.auth import get_user_model
from django.core.management import call_command

from config.env import env


def prepare_database() -> None:
    """Bring tables and static files up to date and make the first admin; safe to repeat."""
    call_command("migrate", verbosity=0, interactive=False)
    call_command("collectstatic", verbosity=0, interactive=False)
    ensure_admin()


def ensure_admin() -> bool:
    """Make the user ``admin`` with the generated password; True if there was none."""
    users = get_user_model()._default_manager
    admin, fresh = users.get_or_create(
        username="admin", defaults={"is_staff": True, "is_superuser": True, "name": "Admin"}
    )
    if fresh:
        admin.set_password(env().admin_password)
        admin.save(update_fields=("password",))
    return fresh
