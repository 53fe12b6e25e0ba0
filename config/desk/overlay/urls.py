"""Label Studio's addresses, and before them ours."""

from core.urls import urlpatterns as label_studio
from django.urls import path
from rest_framework.serializers import CharField
from tasks.serializers import AnnotationSerializer

from overlay import entry, office, pages

# Label Studio takes the id that an answer was sent under, and keeps it to itself; whoever must
# know whether an answer arrived needs it back.
AnnotationSerializer._declared_fields["unique_id"] = CharField(required=False)

urlpatterns = [
    path("go/<str:signed>", entry.enter),
    path("vernacular/files/<str:name>", pages.own_file),
    path("vernacular/projects/<int:pk>/members", office.Members.as_view()),
    path("vernacular/projects/<int:pk>/locks", office.Locks.as_view()),
    path("vernacular/projects/<int:pk>/unlocks", office.Unlocks.as_view()),
    *label_studio,
]
