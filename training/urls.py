from django.urls import path

from training.views import campaigns, health, runs, versions

urlpatterns = [
    path("", campaigns.home, name="home"),
    path("campaigns/", campaigns.index, name="campaigns"),
    path("campaigns/<slug:slug>/", campaigns.detail, name="campaign_detail"),
    path("campaigns/<slug:slug>/live/", campaigns.live, name="campaign_live"),
    path("campaigns/<slug:slug>/train-now/", campaigns.train_now, name="train_now"),
    path("campaigns/<slug:slug>/runs/<int:pk>/", runs.detail, name="run_detail"),
    path("campaigns/<slug:slug>/runs/<int:pk>/live/", runs.live, name="run_live"),
    path("campaigns/<slug:slug>/runs/<int:pk>/curves/", runs.curves, name="run_curves"),
    path("campaigns/<slug:slug>/runs/<int:pk>/abort/", runs.abort, name="run_abort"),
    path("campaigns/<slug:slug>/versions/", versions.index, name="versions"),
    path(
        "campaigns/<slug:slug>/versions/<int:number>/roll-back/",
        versions.roll_back,
        name="version_roll_back",
    ),
    path("health/", health.health, name="health"),
]
