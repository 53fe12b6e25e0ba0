"""Three things that Label Studio does and no setting changes; each is a line or two of its own code."""

from projects.functions import next_task
from rest_framework.serializers import CharField
from tasks.serializers import AnnotationSerializer

_draw = next_task._get_random_unlocked


def keep_the_order() -> None:
    """Ask the most useful first, however many members a project has.

    With more than one member Label Studio draws among all open tasks, so that two people do not
    work on the same one; the locks see to that already.
    """

    def first_unlocked(tasks, user, upper_limit=None):
        # Only where tasks are in order is there a limit to how many are drawn from.
        if upper_limit is None:
            return _draw(tasks, user)
        return next_task._get_first_unlocked(tasks, user)

    next_task._get_random_unlocked = first_unlocked


def hand_out_in_turn() -> None:
    """Have looking for a free task and locking it be one step on SQLite, too.

    There Label Studio leaves out the transaction that it takes elsewhere, and two people who ask
    at the same moment both find the task free. Ours begin by taking the right to write.
    """
    next_task.db_is_not_sqlite = lambda: True


def tell_unique_ids(kind=AnnotationSerializer) -> None:
    """Tell the id that an answer was sent under; Label Studio takes it and keeps it to itself.

    Whoever must know whether an answer arrived needs it back.
    """
    kind._declared_fields["unique_id"] = CharField(required=False)
    for special in kind.__subclasses__():
        tell_unique_ids(special)
