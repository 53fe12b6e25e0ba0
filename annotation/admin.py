"""Stock admin for rare edits; what is append-only can be read here and nothing else."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from annotation import models
from annotation.actions.consents import SENTENCES, write_text
from annotation.actions.second_step import take_away
from annotation.errors import VernacularError
from annotation.permissions import person_of

# Generic for the type checker only: at run time Django's admin classes take no brackets.
if TYPE_CHECKING:
    Admin = admin.ModelAdmin[Any]
    Inline = admin.TabularInline[Any, Any]
    People = UserAdmin[models.User]
    TextForm = forms.ModelForm[models.ConsentText]
else:
    Admin = admin.ModelAdmin
    Inline = admin.TabularInline
    People = UserAdmin
    TextForm = forms.ModelForm


class ConsentTextForm(TextForm):
    """A community's own words: checked whole before they become a version."""

    class Meta:
        model = models.ConsentText
        fields = ("tag", "text", "purposes")

    def clean_purposes(self) -> Any:
        """A sentence for every purpose, and one for the age."""
        purposes = self.cleaned_data["purposes"]
        if not isinstance(purposes, dict) or set(purposes) != set(SENTENCES):
            raise forms.ValidationError(
                _("Write an object with a sentence for each of: %s.") % ", ".join(SENTENCES)
            )
        return purposes


class ReadOnlyAdmin(Admin):
    """Rows that only the loop writes."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class LabelInline(Inline):
    """What networks learn is a label's place: after the start only its names may change."""

    model = models.Label
    extra = 0

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("key", "position") if _has_started(obj) else ()

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _has_started(obj) and super().has_add_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _has_started(obj) and super().has_delete_permission(request, obj)


def _has_started(campaign: models.Campaign | None) -> bool:
    return campaign is not None and campaign.status != models.Campaign.Status.DRAFT


class CampaignLanguageInline(Inline):
    model = models.CampaignLanguage
    fields = ("language", "active")
    extra = 0


@admin.register(models.User)
class PersonAdmin(People):
    list_display = ("username", "name", "email", "is_staff", "is_active")
    fieldsets = (*(People.fieldsets or ()), (None, {"fields": ("name", "desk_user_id")}))
    actions = ("take_second_step_away",)

    @admin.action(description=_lazy("Take the second step of signing in away: a phone is lost"))
    def take_second_step_away(self, request: HttpRequest, queryset: Any) -> None:
        """For another superuser to do; the audit keeps who did it to whom."""
        for user in queryset:
            try:
                take_away(user, actor=person_of(request), reason="Asked in the admin.")
            except VernacularError as error:
                messages.error(request, str(error))
            else:
                done = _("%s signs in with the password alone until a phone is set up anew.") % user
                messages.success(request, done)


@admin.register(models.Language)
class LanguageAdmin(Admin):
    list_display = ("tag", "name", "autonym", "script", "direction")
    list_filter = ("direction", "script")
    search_fields = ("tag", "name", "autonym")


@admin.register(models.Annotator)
class AnnotatorAdmin(Admin):
    list_display = ("user", "language", "dialect", "script", "kind", "active", "joined_at")
    list_filter = ("kind", "active", "language")
    list_select_related = ("user", "language")
    search_fields = ("user__username", "user__name", "language__tag")


@admin.register(models.Campaign)
class CampaignAdmin(Admin):
    list_display = ("title", "slug", "status", "network", "created_at")
    list_filter = ("status",)
    search_fields = ("title", "slug")
    # The status moves by actions that look first, and what the gate asks is changed where it is
    # written down by whom; a field here would go past them.
    readonly_fields = (
        *("status", "created_by", "created_at", "margin", "gate_metric", "gate_looks"),
        *("gold_at_once", "parity_blocks", "strict_calibration", "case_rule"),
    )
    inlines = (LabelInline, CampaignLanguageInline)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: what served and who changed the gate is kept for good; finish it instead."""
        return False


@admin.register(models.Source)
class SourceAdmin(Admin):
    list_display = ("name", "licence", "origin")
    search_fields = ("name", "licence")


@admin.register(models.Sample)
class SampleAdmin(Admin):
    list_display = ("__str__", "campaign", "language", "source", "created_at")
    list_filter = ("campaign", "language")
    list_select_related = ("campaign", "language", "source")
    search_fields = ("text", "external_id")
    raw_id_fields = ("campaign", "language", "source", "sample_import")
    show_full_result_count = False


@admin.register(models.GoldItem)
class GoldItemAdmin(Admin):
    list_display = ("sample", "label", "split", "origin", "retired_at")
    list_filter = ("split", "sample__campaign", "sample__language")
    list_select_related = ("sample", "label")
    raw_id_fields = ("sample", "label")


@admin.register(models.Item)
class ItemAdmin(ReadOnlyAdmin):
    list_display = ("uid", "campaign_language", "kind", "state", "priority", "desk_task_id")
    list_filter = ("state", "kind", "campaign_language__campaign")
    list_select_related = ("campaign_language__campaign", "campaign_language__language")
    search_fields = ("uid",)


@admin.register(models.Guideline)
class GuidelineAdmin(ReadOnlyAdmin):
    list_display = ("campaign_language", "version", "created_by", "created_at")
    list_select_related = (
        "campaign_language__campaign",
        "campaign_language__language",
        "created_by",
    )


@admin.register(models.DeskConfig)
class DeskConfigAdmin(ReadOnlyAdmin):
    list_display = ("campaign_language", "version", "guideline_version", "created_at")
    list_select_related = ("campaign_language__campaign", "campaign_language__language")


@admin.register(models.SampleImport)
class SampleImportAdmin(ReadOnlyAdmin):
    list_display = ("filename", "campaign", "status", "rows_kept", "rows_refused", "created_at")
    list_filter = ("status",)
    list_select_related = ("campaign",)


@admin.register(models.Annotation)
class AnnotationAdmin(ReadOnlyAdmin):
    list_display = ("id", "item", "annotator", "state", "label", "revision", "updated_at")
    list_filter = ("state",)
    list_select_related = (
        "item__campaign_language__campaign",
        "item__campaign_language__language",
        "annotator__user",
        "annotator__language",
        "label",
    )


@admin.register(models.AnnotationRevision)
class AnnotationRevisionAdmin(ReadOnlyAdmin):
    list_display = ("annotation_id", "number", "state", "label", "received_at")
    list_filter = ("state",)
    list_select_related = ("label",)


@admin.register(models.QuarantinedAnswer)
class QuarantinedAnswerAdmin(ReadOnlyAdmin):
    list_display = ("reason", "detail", "campaign_language", "created_at", "resolved_at")
    list_filter = ("reason",)
    list_select_related = ("campaign_language__campaign", "campaign_language__language")


@admin.register(models.Withdrawal)
class WithdrawalAdmin(ReadOnlyAdmin):
    list_display = ("id", "annotator", "sample_id", "answers", "reason", "actor", "created_at")
    list_select_related = ("annotator__user", "annotator__language", "actor", "sample")


@admin.register(models.Membership)
class MembershipAdmin(Admin):
    list_display = ("user", "campaign", "language", "role", "active", "added_by", "added_at")
    list_filter = ("role", "active", "campaign")
    list_select_related = ("user", "campaign", "language", "added_by")
    raw_id_fields = ("user", "added_by")


@admin.register(models.Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    list_display = ("name", "campaign", "role", "user", "created_by", "created_at", "revoked_at")
    list_filter = ("role", "campaign")
    list_select_related = ("campaign", "user", "created_by")
    exclude = ("token_digest",)


@admin.register(models.ConsentText)
class ConsentTextAdmin(ReadOnlyAdmin):
    """A text is never changed, since people agreed to it; a new one is a new version."""

    list_display = ("tag", "version", "shipped", "draft", "digest", "created_at")
    list_filter = ("tag",)
    fields = ("tag", "text", "purposes")
    form = ConsentTextForm

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        said = write_text(obj.tag, text=obj.text, purposes=obj.purposes)
        obj.pk, obj.version, obj.digest = said.pk, said.version, said.digest


@admin.register(models.Consent)
class ConsentAdmin(ReadOnlyAdmin):
    list_display = ("user", "__str__", "how", "recorded_by", "text", "given_at", "ended_at")
    list_filter = ("how", "train")
    list_select_related = ("user", "recorded_by", "text")
    search_fields = ("user__username", "user__name")


@admin.register(models.DeskEvent)
class DeskEventAdmin(ReadOnlyAdmin):
    list_display = ("action", "accepted", "detail", "created_at")
    list_filter = ("accepted",)


@admin.register(models.Consensus)
class ConsensusAdmin(ReadOnlyAdmin):
    list_display = ("sample", "label", "confidence", "answers", "disputed", "updated_at")
    list_filter = ("disputed",)
    list_select_related = ("sample", "label")


@admin.register(models.Reliability)
class ReliabilityAdmin(ReadOnlyAdmin):
    list_display = ("annotator", "campaign", "skill", "skill_low", "skill_high", "answers")
    list_select_related = ("annotator__user", "annotator__language", "campaign")


@admin.register(models.Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    list_display = ("name", "seen_at", "failed_at", "error")
