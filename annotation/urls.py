from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from annotation.views import campaigns, health, imports, invitations, light, people, welcome
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
    path("sign-out/", LogoutView.as_view(), name="sign_out"),
    path("go/<str:token>/", welcome.go, name="go"),
    path("consent/", welcome.consent, name="consent"),
    path("me/", welcome.me, name="me"),
    path("me/about/", welcome.about_me, name="about_me"),
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
    path("campaigns/<slug:slug>/quarantine/", people.quarantine, name="quarantine"),
    path(
        "campaigns/<slug:slug>/quarantine/<int:pk>/lay-aside/",
        people.lay_aside_quarantined,
        name="quarantine_lay_aside",
    ),
]
