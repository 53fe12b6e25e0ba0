"""Label Studio's addresses, and before them ours."""

from core.urls import urlpatterns as label_studio
from django.urls import path

from overlay import entry, mending, office

mending.hand_out_in_turn()
mending.keep_the_order()
mending.tell_unique_ids()

urlpatterns = [
    path("go/<str:signed>", entry.enter),
    path("vernacular/projects/<int:pk>/members", office.Members.as_view()),
    path("vernacular/projects/<int:pk>/locks", office.Locks.as_view()),
    path("vernacular/projects/<int:pk>/unlocks", office.Unlocks.as_view()),
    *label_studio,
]
