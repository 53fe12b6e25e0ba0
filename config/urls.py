from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from annotation.views.interface import interface
from config.api import api
from config.metrics import metrics

# Secrets of phones are for nobody's eyes; what admins may do about them is an action of people.
admin.site.unregister([StaticDevice, TOTPDevice])

urlpatterns = [
    path("metrics", metrics, name="metrics"),
    path("api/v1/", api.urls),
    path("interface/", interface, name="interface"),
    # One door to sign in by: with its patience, and its second step.
    path(
        "admin/login/",
        RedirectView.as_view(pattern_name="sign_in", query_string=True),
        name="admin_sign_in",
    ),
    path("admin/", admin.site.urls),
    path("", include("annotation.urls")),
    path("", include("learning.urls")),
    path("", include("training.urls")),
]
