from django.contrib import admin
from django.urls import include, path

from annotation.views.interface import interface
from config.metrics import metrics

urlpatterns = [
    path("metrics", metrics, name="metrics"),
    path("interface/", interface, name="interface"),
    path("admin/", admin.site.urls),
    path("", include("annotation.urls")),
    path("", include("learning.urls")),
    path("", include("training.urls")),
]
