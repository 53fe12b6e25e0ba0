"""What labelling needs of Label Studio: the addresses, and for each what may be asked and told.

A rule names the methods and the whole path; who may; which names in the address and the body
are passed on, all others are dropped; what the address says in any case; and what of the answer
is shown, or that it is a page.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from projects.models import Project
from tasks.models import Annotation, AnnotationDraft, Task

# Open to whoever comes: what is the same for all, and the doors that look after themselves.
OPEN = re.compile(
    r"/(static|react-app|label-studio-frontend|dm|go|vernacular)/.*"
    r"|/(user/login|user/signup|logout|health|version|api/version)/?"
    r"|/(favicon\.ico|sw\.js|sw-fallback\.js|heidi-tips)/?"
)
PAGE = re.compile(r"/(projects|user|organization|data)?(/.*)?")


@dataclass(frozen=True)
class Rule:
    """One address that is open to members."""

    methods: str
    path: str
    may: Callable
    query: frozenset[str] = frozenset()
    fixed: Mapping[str, str] = field(default_factory=dict)
    body: frozenset[str] = frozenset()
    shown: Callable | None = None
    page: bool = False

    def match(self, request):
        if request.method not in self.methods.split():
            return None
        return re.fullmatch(self.path + "/?", request.path_info)


def is_open(request) -> bool:
    """Whether it is the same for everybody."""
    return bool(OPEN.fullmatch(request.path_info))


def is_page(request) -> bool:
    """Whether a person asks for a page of Label Studio's."""
    return request.method == "GET" and bool(PAGE.fullmatch(request.path_info))


def find(request):
    """The rule for this request and how its path matches it; nothing and nothing if there is none."""
    for rule in RULES:
        if match := rule.match(request):
            return rule, match
    return None, None


def selects(request) -> bool:
    """Whether the address asks for a selection."""
    return not SELECTING.isdisjoint(request.GET)


def is_forged(told, person) -> bool:
    """Whether a body speaks for somebody else, or claims what only the service may."""
    others = {told.get(name) for name in ("completed_by", "updated_by", "user")} - {None, person.pk}
    filters = told.get("filters")
    items = filters.get("items") if isinstance(filters, dict) else filters
    return bool(others or told.get("ground_truth") or items)


# Who may


def anybody(person, match, request) -> bool:
    """Everybody who has signed in."""
    return True


def member(person, match, request) -> bool:
    """Members of the project that the path names."""
    return _open_to(person, match["pk"])


def member_asked(person, match, request) -> bool:
    """Members of the project that the address asks about."""
    number = request.GET.get("project", "")
    return number.isdecimal() and _open_to(person, number)


def next_only(person, match, request) -> bool:
    """Of all that may be done with the table, only asking for the next task."""
    return request.GET.get("id") == "next_task" and member_asked(person, match, request)


def member_of_task(person, match, request) -> bool:
    """Members of the task's project."""
    task = Task.objects.select_related("project").filter(pk=match["pk"]).first()
    return task is not None and task.project.has_permission(person)


def own_annotation(person, match, request) -> bool:
    """Whoever gave the answer, as long as they are members."""
    mine = Annotation.objects.filter(pk=match["annotation"], completed_by=person)
    found = mine.select_related("project").first()
    return found is not None and found.project.has_permission(person)


def own_annotation_of_task(person, match, request) -> bool:
    """The same, where the path names the task as well."""
    mine = Annotation.objects.filter(pk=match["annotation"], task=match["pk"])
    return mine.exists() and own_annotation(person, match, request)


def own_draft(person, match, request) -> bool:
    """Whoever began the draft, as long as they are members."""
    mine = AnnotationDraft.objects.filter(pk=match["draft"], user=person)
    found = mine.select_related("task__project").first()
    return found is not None and found.task.project.has_permission(person)


def own_account(person, match, request) -> bool:
    """Whose account it is."""
    return int(match["pk"]) == person.pk


def _open_to(person, number) -> bool:
    project = Project.objects.filter(pk=number).first()
    return project is not None and project.has_permission(person)


# What is shown

TASK_FIELDS = (
    *("id", "data", "project", "created_at", "updated_at", "is_labeled", "overlap", "inner_id"),
    *("queue", "unique_lock_id", "total_annotations", "cancelled_annotations", "allow_skip"),
    *("meta", "completed_at", "total_predictions", "comment_count", "unresolved_comment_count"),
)
# The page wants these lists to be there.
EMPTIED = ("annotators", "updated_by", "comment_authors")


def own_work(task, person):
    """A task without what others did with it and what a model thinks of it."""
    shown = {name: task[name] for name in TASK_FIELDS if name in task}
    shown["annotations"] = _owned(task.get("annotations"), person, "completed_by")
    shown["drafts"] = _owned(task.get("drafts"), person, "user")
    return {**shown, "predictions": [], **{name: [] for name in EMPTIED}}


def own_table(table, person):
    """The table's numbers and its first row: the labelling page looks at it before it asks."""
    return {**table, "tasks": [own_work(task, person) for task in table["tasks"]]}


def plain_table(views, person):
    """One table without filters, whatever tables there are: the page does not open without."""
    filters = {"conjunction": "and", "items": []}
    data = {"title": "Default", "type": "list", "target": "tasks", "filters": filters}
    return [{"id": 1, "data": {**data, "ordering": [], "hiddenColumns": {}}}]


def own_row(users, person):
    """Of everybody's accounts, one's own."""
    return [user for user in users if user["id"] == person.pk]


def nothing(entries, person):
    """An empty list."""
    return []


def own_entries(entries, person):
    """Of a list of drafts or answers, those of this person."""
    return _owned(_owned(entries, person, "user"), person, "completed_by")


def _owned(entries, person, name):
    return [one for one in entries or [] if _number(one.get(name, person.pk)) == person.pk]


def _number(user):
    return user.get("id") if isinstance(user, dict) else user


ANSWER = frozenset(
    [
        "result",
        "was_cancelled",
        "lead_time",
        "unique_id",
        "started_at",
        "draft_id",
        "parent_prediction",
        "parent_annotation",
    ]
)
DRAFT = frozenset(["result", "lead_time", "was_postponed"])
PROJECT = frozenset(["project"])
PAGE_QUERY = frozenset(["labeling", "task", "tab"])
ONE_TASK = {"page": "1", "page_size": "1", "fields": "task_only"}
# What would ask for a selection of one's own, and pass by order and locks.
SELECTING = frozenset(["query", "filters", "ordering", "selectedItems"])
CANCELLED = frozenset(["was_cancelled"])

RULES = (
    Rule("GET", r"/projects/(?P<pk>\d+)(/data)?", member, query=PAGE_QUERY, page=True),
    Rule("GET", r"/api/projects/(?P<pk>\d+)", member),
    Rule("GET", r"/api/projects/(?P<pk>\d+)/next", member, shown=own_work),
    Rule("GET", r"/api/projects/(?P<pk>\d+)/label-stream-history", member),
    Rule("GET", r"/api/dm/(project|columns|actions)", member_asked, query=PROJECT),
    Rule("GET", r"/api/dm/views", member_asked, query=PROJECT, shown=plain_table),
    Rule(
        *("POST", r"/api/dm/actions", next_only),
        query=PROJECT | {"id"},
        body=PROJECT,
        shown=own_work,
    ),
    Rule("GET", r"/api/tasks", member_asked, query=PROJECT, fixed=ONE_TASK, shown=own_table),
    Rule("GET", r"/api/tasks/(?P<pk>\d+)", member_of_task, shown=own_work),
    Rule(
        *("POST", r"/api/tasks/(?P<pk>\d+)/annotations", member_of_task),
        query=CANCELLED,
        body=ANSWER,
    ),
    Rule("GET", r"/api/tasks/(?P<pk>\d+)/annotations", member_of_task, shown=own_entries),
    Rule("GET", r"/api/tasks/(?P<pk>\d+)/drafts", member_of_task, shown=own_entries),
    Rule("POST", r"/api/tasks/(?P<pk>\d+)/drafts", member_of_task, body=DRAFT),
    Rule(
        *("POST", r"/api/tasks/(?P<pk>\d+)/annotations/(?P<annotation>\d+)/drafts"),
        own_annotation_of_task,
        body=DRAFT,
    ),
    Rule("GET DELETE", r"/api/drafts/(?P<draft>\d+)", own_draft),
    Rule("PATCH", r"/api/drafts/(?P<draft>\d+)", own_draft, body=DRAFT),
    Rule("GET DELETE", r"/api/annotations/(?P<annotation>\d+)", own_annotation),
    Rule("PATCH", r"/api/annotations/(?P<annotation>\d+)", own_annotation, body=ANSWER),
    Rule("GET", r"/api/current-user/(whoami|product-tour|hotkeys)", anybody),
    Rule("GET", r"/api/users/(?P<pk>\d+)", own_account),
    # The page does not open without these three lists.
    Rule("GET", r"/api/users", member_asked, query=PROJECT, shown=own_row),
    Rule("GET", r"/api/(ml|label_links)", member_asked, query=PROJECT, shown=nothing),
)
