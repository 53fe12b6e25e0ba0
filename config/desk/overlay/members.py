"""Membership per project: Label Studio itself lets everybody of the organisation into all of it."""

from projects.mixins import ProjectMixin


def leads(user) -> bool:
    """Whether somebody runs this Label Studio; nobody else is shown more than their projects."""
    organization = user.active_organization
    return bool(user.is_superuser or (organization and organization.created_by_id == user.pk))


class MemberProjectMixin(ProjectMixin):
    """A project is open to whoever runs Label Studio, and to its members."""

    def has_permission(self, user):
        allowed = super().has_permission(user)
        return allowed and (leads(user) or self._has_member(user))

    def _has_member(self, user):
        return self.members.filter(user_id=user.pk, enabled=True).exists()
