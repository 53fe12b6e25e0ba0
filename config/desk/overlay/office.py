"""What only our service asks for: the members of a project, and tasks kept for one person.

Both must be shown: the token of whoever runs Label Studio, and that the shared key is known.
"""

from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from organizations.models import OrganizationMember
from projects.models import Project, ProjectMember
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission
from rest_framework.response import Response
from rest_framework.views import APIView
from tasks.models import Task, TaskLock
from users.models import User

from overlay.members import EPOCH, leads

SALT = "vernacular.office"
SECONDS = 600
DAY = 86400


class OtherKey(APIException):
    status_code = 412
    default_detail = "This was signed with another key, or long ago."


class NoSuchProject(APIException):
    """Not 404: of that Label Studio makes the page that it shows where nothing answers at all."""

    status_code = 410
    default_detail = "There is no such project."


class NoSuchAccount(APIException):
    status_code = 422
    default_detail = "There is no such account."


class OurService(BasePermission):
    """The token of whoever runs Label Studio, and a fresh proof of the key for this address."""

    def has_permission(self, request, view):
        if not request.user.is_authenticated or not leads(request.user):
            return False
        try:
            told = signing.loads(
                request.headers.get("X-Vernacular-Proof", ""),
                key=settings.VERNACULAR_ENTRY_KEY,
                salt=SALT,
                max_age=SECONDS,
                fallback_keys=[],
            )
        except signing.BadSignature:
            raise OtherKey from None
        if request.path.strip("/") != f"vernacular/{told}":
            raise OtherKey
        return True


class Numbers(serializers.ListField):
    child = serializers.IntegerField(min_value=1)


class PeopleAsked(serializers.Serializer):
    user_ids = Numbers()
    since = serializers.DictField(child=serializers.IntegerField(min_value=0), required=False)


class TasksAsked(serializers.Serializer):
    task_ids = Numbers()
    user_id = serializers.IntegerField(min_value=1)


class LocksAsked(TasksAsked):
    seconds = serializers.IntegerField(min_value=1, max_value=DAY)


class Office(APIView):
    permission_classes = (OurService,)
    asks = serializers.Serializer

    def post(self, request, pk):
        project = Project.objects.filter(pk=pk).first()
        if project is None:
            raise NoSuchProject(f"There is no project {pk} here.")
        asked = self.asks(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(self.answer(project, **asked.validated_data))


class Members(Office):
    """Make exactly these people members; those who are not in the organisation are left out.

    Who has a moment in ``since`` comes in anew: visits that began by an earlier link are over.
    """

    asks = PeopleAsked

    @transaction.atomic
    def answer(self, project, *, user_ids, since=None):
        Project.objects.select_for_update().get(pk=project.pk)
        there = set(
            OrganizationMember.objects.filter(
                organization=project.organization, user__in=user_ids, deleted_at=None
            ).values_list("user_id", flat=True)
        )
        project.members.exclude(user__in=there).delete()
        project.members.filter(enabled=False).update(enabled=True)
        known = set(project.members.values_list("user_id", flat=True))
        ProjectMember.objects.bulk_create(
            ProjectMember(project=project, user_id=number) for number in sorted(there - known)
        )
        for member in project.members.all():
            _count_from(member, (since or {}).get(str(member.user_id), 0))
        # Whoever may come no more holds nothing back either.
        held = TaskLock.objects.filter(task__project=project, user__is_superuser=False)
        held.exclude(user__in=there).delete()
        _forget_stale_locks(project)
        return {"user_ids": sorted(there)}


def _count_from(member, microseconds):
    """Note from which moment on a link counts; the gate compares visits with it.

    Label Studio's own column is enough: it holds a time by our service's clock, as links do.
    """
    moment = EPOCH + timedelta(microseconds=microseconds)
    if member.created_at != moment:
        ProjectMember.objects.filter(pk=member.pk).update(created_at=moment)


def _forget_stale_locks(project):
    """Drop locks that are older than their task.

    SQLite gives the numbers of deleted tasks out again, and a lock that was left behind would
    keep the new text from everybody.
    """
    locks = TaskLock.objects.filter(task__project=project)
    locks.filter(created_at__lt=F("task__created_at")).delete()


class Locks(Office):
    """Keep tasks for one person with Label Studio's own locks, so that its queue passes them by.

    Rows that somebody is just taking are passed by as well, where the database can.
    """

    asks = LocksAsked

    @transaction.atomic
    def answer(self, project, *, task_ids, user_id, seconds):
        now = timezone.now()
        person = User.objects.filter(pk=user_id).first()
        if person is None:
            raise NoSuchAccount(f"Nobody here has the account {user_id}.")
        _forget_stale_locks(project)
        wanted = project.tasks.filter(pk__in=task_ids, is_labeled=False)
        wanted = wanted.exclude(annotations__completed_by=person)
        free = [
            task
            for task in Task.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(pk__in=wanted.values("pk"))
            .order_by("pk")
            if not task.has_lock(person)
        ]
        for task in free:
            task.clear_expired_locks()
            until = now + timedelta(seconds=seconds)
            TaskLock.objects.update_or_create(task=task, user=person, defaults={"expire_at": until})
        return {"task_ids": [task.pk for task in free]}


class Unlocks(Office):
    """Give back what was kept for one person."""

    asks = TasksAsked

    def answer(self, project, *, task_ids, user_id):
        TaskLock.objects.filter(task__in=task_ids, task__project=project, user_id=user_id).delete()
        return {"task_ids": []}
