from django.urls import path

from training.views import (
    campaigns,
    cases,
    comparisons,
    compressions,
    gates,
    health,
    runs,
    traces,
    versions,
)

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
    path("campaigns/<slug:slug>/runs/<int:pk>/gate/", gates.detail, name="gate_detail"),
    path("campaigns/<slug:slug>/runs/<int:pk>/gate.csv", gates.as_csv, name="gate_csv"),
    path("campaigns/<slug:slug>/runs/<int:pk>/gate.json", gates.as_json, name="gate_json"),
    path(
        "campaigns/<slug:slug>/runs/<int:pk>/gate/predictions.jsonl",
        gates.predictions,
        name="gate_predictions",
    ),
    path("campaigns/<slug:slug>/runs/<int:pk>/gate/waive/", gates.waive, name="waiver_create"),
    path("campaigns/<slug:slug>/runs/<int:pk>/gate/serve/", gates.serve, name="gate_serve"),
    path(
        "campaigns/<slug:slug>/runs/<int:pk>/gate/waivers/<int:waiver>/revoke/",
        gates.revoke,
        name="waiver_revoke",
    ),
    path(
        "campaigns/<slug:slug>/runs/<int:pk>/maintenance/",
        gates.declare,
        name="maintenance_declare",
    ),
    path("campaigns/<slug:slug>/gate/", gates.settings, name="gate_settings"),
    path("campaigns/<slug:slug>/gate/agree/<int:number>/", gates.agree, name="gate_agree"),
    path("campaigns/<slug:slug>/cases/", cases.cases, name="cases"),
    path("campaigns/<slug:slug>/cases/from-gold/", cases.from_gold, name="case_from_gold"),
    path("campaigns/<slug:slug>/cases/<int:pk>/switch/", cases.switch, name="case_switch"),
    path("campaigns/<slug:slug>/versions/", versions.index, name="versions"),
    path("campaigns/<slug:slug>/versions/compress/", compressions.start, name="compress"),
    path("campaigns/<slug:slug>/versions/undo/", versions.undo_move, name="version_undo"),
    path("campaigns/<slug:slug>/versions/compare/", comparisons.compare, name="version_compare"),
    path("campaigns/<slug:slug>/versions/measure/", comparisons.measure, name="version_measure"),
    path("campaigns/<slug:slug>/versions/<int:number>/", versions.detail, name="version_detail"),
    path(
        "campaigns/<slug:slug>/versions/<int:number>/card.json", versions.card, name="version_card"
    ),
    path("campaigns/<slug:slug>/people/<int:pk>/answers/", traces.person, name="person_trace"),
    path("campaigns/<slug:slug>/texts/", traces.find, name="text_find"),
    path("campaigns/<slug:slug>/texts/<uuid:uid>/", traces.text, name="text_trace"),
    path(
        "campaigns/<slug:slug>/versions/<int:number>/roll-back/",
        versions.roll_back,
        name="version_roll_back",
    ),
    path("health/", health.health, name="health"),
]
