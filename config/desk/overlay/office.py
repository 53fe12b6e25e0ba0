"""What only our service asks for: the members of a project, and tasks kept for one person.

Both must be shown: the token of whoever runs Label Studio, and that the shared key is known.
"""

from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.shortcuts import get_object_or_404
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

from overlay.members import leads

SALT = "vernacular.office"
SECONDS = 600
DAY = 86400


class OtherKey(APIException):
    status_code = 412
    default_detail = "This was signed with another key, or long ago."


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


class TasksAsked(serializers.Serializer):
    task_ids = Numbers()
    user_id = serializers.IntegerField(min_value=1)


class LocksAsked(TasksAsked):
    seconds = serializers.IntegerField(min_value=1, max_value=DAY)


class Office(APIView):
    permission_classes = (OurService,)
    asks = serializers.Serializer

    def post(self, request, pk):
        project = get_object_or_404(Project, pk=pk)
        asked = self.asks(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(self.answer(project, **asked.validated_data))


class Members(Office):
    """Make exactly these people members; those who are not in the organisation are left out."""

    asks = PeopleAsked

    @transaction.atomic
    def answer(self, project, *, user_ids):
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
        # Whoever may come no more holds nothing back either.
        held = TaskLock.objects.filter(task__project=project, user__is_superuser=False)
        held.exclude(user__in=there).delete()
        return {"user_ids": sorted(there)}


class Locks(Office):
    """Keep tasks for one person with Label Studio's own locks, so that its queue passes them by.

    Rows that somebody is just taking are passed by as well, where the database can.
    """

    asks = LocksAsked

    @transaction.atomic
    def answer(self, project, *, task_ids, user_id, seconds):
        now = timezone.now()
        person = get_object_or_404(User, pk=user_id)
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
