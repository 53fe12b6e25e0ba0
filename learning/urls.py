from django.urls import path

from learning.views import quota, rounds

urlpatterns = [
    path("campaigns/<slug:slug>/quota/", quota.quota, name="quota"),
    path("campaigns/<slug:slug>/quota/<int:number>/undo/", quota.undo, name="quota_undo"),
    path("campaigns/<slug:slug>/rounds/<int:number>/", rounds.detail, name="round_detail"),
]
