from django.urls import path

from annotation.views import campaigns
from learning.forms import NewCampaignForm
from learning.views import calibrations, quota, rounds, stops

urlpatterns = [
    path(
        "campaigns/new/",
        campaigns.create,
        {"form_class": NewCampaignForm},
        name="campaign_create",
    ),
    path("campaigns/<slug:slug>/quota/", quota.quota, name="quota"),
    path("campaigns/<slug:slug>/quota/<int:number>/undo/", quota.undo, name="quota_undo"),
    path("campaigns/<slug:slug>/rounds/<int:number>/", rounds.detail, name="round_detail"),
    path(
        "campaigns/<slug:slug>/versions/<int:number>/confidence/",
        calibrations.confidence,
        name="version_confidence",
    ),
    path(
        "campaigns/<slug:slug>/languages/<str:tag>/keep-open/",
        stops.keep_open,
        name="language_keep_open",
    ),
    path(
        "campaigns/<slug:slug>/languages/<str:tag>/let-stop/",
        stops.let_stop,
        name="language_let_stop",
    ),
]
