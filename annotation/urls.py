from django.urls import path

from annotation.views.webhook import desk_hook

urlpatterns = [
    path("hooks/label-studio/<int:campaign_language_id>/", desk_hook, name="desk_hook"),
]
