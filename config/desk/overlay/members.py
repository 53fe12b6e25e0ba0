"""Membership per project: Label Studio itself lets everybody of the organisation into all of it."""

from datetime import UTC, datetime, timedelta

from projects.mixins import ProjectMixin

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BEGAN = "vernacular_began"


def leads(user) -> bool:
    """Whether somebody runs this Label Studio; nobody else is shown more than their projects."""
    organization = user.active_organization
    return bool(user.is_superuser or (organization and organization.created_by_id == user.pk))


def is_over(request) -> bool:
    """Whether the link by which this visit began counts no more; with a password none began it."""
    began = request.session.get(BEGAN)
    if began is None:
        return False
    moment = EPOCH + timedelta(microseconds=began)
    return request.user.project_memberships.filter(created_at__gt=moment).exists()


class MemberProjectMixin(ProjectMixin):
    """A project is open to whoever runs Label Studio, and to its members."""

    def has_permission(self, user):
        allowed = super().has_permission(user)
        return allowed and (leads(user) or self._has_member(user))

    def _has_member(self, user):
        return self.members.filter(user_id=user.pk, enabled=True).exists()
