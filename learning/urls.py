from django.urls import path

from learning.views import rounds

urlpatterns = [
    path("campaigns/<slug:slug>/rounds/<int:number>/", rounds.detail, name="round_detail"),
]
