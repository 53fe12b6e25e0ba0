from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from annotation.views import (
    calibration,
    campaigns,
    catalogue_review,
    coordination,
    credit,
    groups,
    health,
    imports,
    invitations,
    judgements,
    letters,
    light,
    own_answers,
    people,
    sessions,
    welcome,
)
from annotation.views.desk import desk_entry
from annotation.views.webhook import desk_hook

urlpatterns = [
    path("hooks/label-studio/<int:campaign_language_id>/", desk_hook, name="desk_hook"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path(
        "sign-in/",
        LoginView.as_view(
            template_name="annotation/sign_in.html", redirect_authenticated_user=True
        ),
        name="sign_in",
    ),
    path("answer/worker.js", light.worker, name="answer_worker"),
    path("answer/<slug:slug>/<str:tag>/", light.answer_page, name="answer"),
    path("answer/<slug:slug>/<str:tag>/batch/", light.batch, name="answer_batch"),
    path("answer/<slug:slug>/<str:tag>/answers/", light.answers, name="answer_answers"),
    path("answer/<slug:slug>/<str:tag>/back/", light.hand_back, name="answer_back"),
    path("desk/<slug:slug>/<str:tag>/", desk_entry, name="desk_entry"),
    path("sign-out/", LogoutView.as_view(), name="sign_out"),
    path("guideline/<slug:slug>/<str:tag>/", sessions.guideline, name="guideline"),
    path("calibrate/<slug:slug>/<str:tag>/", sessions.calibrate, name="calibrate"),
    path("calibrate/<slug:slug>/<str:tag>/begin/", sessions.begin, name="calibration_begin"),
    path(
        "calibrate/<slug:slug>/<str:tag>/sessions/<int:pk>/",
        sessions.session,
        name="calibration_session",
    ),
    path(
        "calibrate/<slug:slug>/<str:tag>/answers/<int:pk>/objection/",
        sessions.objection,
        name="calibration_objection",
    ),
    path("calibrate/<slug:slug>/<str:tag>/notes/<int:pk>/", sessions.concern, name="concern"),
    path("calibrate/<slug:slug>/<str:tag>/groups/<int:pk>/", groups.group, name="group"),
    path(
        "calibrate/<slug:slug>/<str:tag>/groups/<int:pk>/remark/",
        groups.group_remark,
        name="group_remark",
    ),
    path("campaigns/<slug:slug>/calibration/", calibration.calibration, name="calibration"),
    path(
        "campaigns/<slug:slug>/calibration-settings/",
        calibration.calibration_settings,
        name="calibration_settings",
    ),
    path(
        "campaigns/<slug:slug>/calibration/<str:tag>/",
        calibration.calibration_language,
        name="calibration_language",
    ),
    path(
        "campaigns/<slug:slug>/calibration/<str:tag>/rules/",
        calibration.label_rule,
        name="label_rule",
    ),
    path(
        "campaigns/<slug:slug>/calibration/<str:tag>/examples/",
        calibration.worked_example,
        name="worked_example",
    ),
    path(
        "campaigns/<slug:slug>/calibration/<str:tag>/gold/<int:pk>/retire/",
        calibration.gold_retire,
        name="gold_retire",
    ),
    path(
        "campaigns/<slug:slug>/calibration/<str:tag>/people/<int:pk>/",
        calibration.calibration_person,
        name="calibration_person",
    ),
    path(
        "campaigns/<slug:slug>/calibration/<str:tag>/notes/<int:pk>/",
        calibration.concern_decide,
        name="concern_decide",
    ),
    path(
        "campaigns/<slug:slug>/calibration/<str:tag>/groups/", groups.group_open, name="group_open"
    ),
    path(
        "campaigns/<slug:slug>/calibration/<str:tag>/groups/<int:pk>/side-by-side/",
        groups.group_side,
        name="group_side",
    ),
    path(
        "campaigns/<slug:slug>/calibration/<str:tag>/groups/<int:pk>/close/",
        groups.group_conclude,
        name="group_conclude",
    ),
    path("go/<str:token>/", welcome.go, name="go"),
    path("consent/", welcome.consent, name="consent"),
    path("me/about/", welcome.about_me, name="about_me"),
    path("me/letters/", letters.letters, name="letters"),
    path("me/everything.json", own_answers.as_json, name="own_json"),
    path("me/everything.csv", own_answers.as_csv, name="own_csv"),
    path("letters/yes/<str:token>/", letters.yes, name="letters_yes"),
    path("letters/<str:token>/", letters.stop, name="letters_stop"),
    path("credits/<slug:slug>/", credit.names, name="credits"),
    path("campaigns/<slug:slug>/start/", campaigns.start, name="campaign_start"),
    path("campaigns/<slug:slug>/pause/", campaigns.pause, name="campaign_pause"),
    path("campaigns/<slug:slug>/finish/", campaigns.finish, name="campaign_finish"),
    path(
        "campaigns/<slug:slug>/guidelines/<str:tag>/",
        campaigns.edit_guideline,
        name="guideline_edit",
    ),
    path("campaigns/<slug:slug>/imports/", imports.create, name="import_create"),
    path("campaigns/<slug:slug>/imports/<int:pk>/", imports.detail, name="import_detail"),
    path("campaigns/<slug:slug>/imports/<int:pk>/live/", imports.live, name="import_live"),
    path(
        "campaigns/<slug:slug>/imports/<int:pk>/refused.csv",
        imports.refused_csv,
        name="import_refused_csv",
    ),
    path("campaigns/<slug:slug>/judgements/<str:tag>/", judgements.judgements, name="judgements"),
    path(
        "campaigns/<slug:slug>/judgements/<str:tag>/judgements.csv",
        judgements.judgements_csv,
        name="judgements_csv",
    ),
    path("campaigns/<slug:slug>/people/", people.people, name="people"),
    path("campaigns/<slug:slug>/people/add/", people.add_person, name="person_add"),
    path("campaigns/<slug:slug>/people/invite/", invitations.create, name="invite"),
    path(
        "campaigns/<slug:slug>/people/invitations/<int:pk>/renew/",
        invitations.make_anew,
        name="invitation_renew",
    ),
    path(
        "campaigns/<slug:slug>/people/invitations/<int:pk>/revoke/",
        invitations.take_back,
        name="invitation_revoke",
    ),
    path(
        "campaigns/<slug:slug>/people/roles/<int:pk>/end/",
        invitations.end_membership,
        name="membership_end",
    ),
    path(
        "campaigns/<slug:slug>/people/<int:pk>/deactivate/",
        people.deactivate_person,
        name="person_deactivate",
    ),
    path(
        "campaigns/<slug:slug>/people/<int:pk>/activate/",
        people.activate_person,
        name="person_activate",
    ),
    path(
        "campaigns/<slug:slug>/languages/<str:tag>/",
        coordination.language_desk,
        name="language_desk",
    ),
    path(
        "campaigns/<slug:slug>/languages/<str:tag>/catalogue/",
        catalogue_review.catalogue_review,
        name="catalogue_review",
    ),
    path(
        "campaigns/<slug:slug>/languages/<str:tag>/disputes/<int:pk>/",
        coordination.decide_dispute,
        name="dispute_decide",
    ),
    path(
        "campaigns/<slug:slug>/languages/<str:tag>/decisions/<int:pk>/undo/",
        coordination.undo_dispute,
        name="dispute_undo",
    ),
    path(
        "campaigns/<slug:slug>/languages/<str:tag>/objections/<int:pk>/",
        coordination.decide_objection,
        name="objection_decide",
    ),
    path(
        "campaigns/<slug:slug>/languages/<str:tag>/hours.csv",
        coordination.hours_csv,
        name="hours_csv",
    ),
    path("campaigns/<slug:slug>/quarantine/", people.quarantine, name="quarantine"),
    path(
        "campaigns/<slug:slug>/quarantine/<int:pk>/lay-aside/",
        people.lay_aside_quarantined,
        name="quarantine_lay_aside",
    ),
]
