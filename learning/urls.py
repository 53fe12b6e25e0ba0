from django.urls import path

from annotation.views import campaigns
from learning.forms import NewCampaignForm
from learning.views import calibrations, quota, rounds, stops, trials

urlpatterns = [
    path("try/<slug:slug>/", trials.try_it, name="try"),
    path("tried/<uuid:uid>/", trials.trial, name="trial"),
    path("api/try/<slug:slug>/", trials.trial_create, name="api_try"),
    path("api/tried/<uuid:uid>/", trials.trial_state, name="api_trial"),
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
        "campaigns/<slug:slug>/rounds/<int:number>/<slug:name>.csv",
        rounds.table,
        name="round_table",
    ),
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
