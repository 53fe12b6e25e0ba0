from django.contrib import admin
from django.urls import include, path

from annotation.views.interface import interface
from config.api import api
from config.metrics import metrics

urlpatterns = [
    path("metrics", metrics, name="metrics"),
    path("api/v1/", api.urls),
    path("interface/", interface, name="interface"),
    path("admin/", admin.site.urls),
    path("", include("annotation.urls")),
    path("", include("learning.urls")),
    path("", include("training.urls")),
]
