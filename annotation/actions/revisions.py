"""What an answer says, and the trail of what it said before; both desks write it here."""

from dataclasses import dataclass, field

from annotation.actions.choosing import label_for
from annotation.models import Annotation, AnnotationRevision, Item, Label
from annotation.objectives import Answer


@dataclass(frozen=True)
class Said:
    """What an answer says in our terms, or why it does not fit them.

    ``answer`` is what is stored of it: see :data:`annotation.objectives.Answer`.
    """

    state: str
    answer: Answer = field(default_factory=dict)
    flag: str = ""
    note: str = ""
    reason: str = ""
    detail: str = ""


def said_by(annotation: Annotation | AnnotationRevision) -> Said:
    """What an annotation says now, or said once."""
    return Said(
        annotation.state, answer=annotation.answer, flag=annotation.flag, note=annotation.note
    )


def revise(
    annotation: Annotation, *, said: Said, updated_at: str, lead_seconds: float | None = None
) -> None:
    """Have an annotation say something else, and keep what it said."""
    annotation.state = said.state
    annotation.label = label_of(annotation.item, said=said)
    annotation.answer = said.answer
    annotation.flag, annotation.note = said.flag, said.note
    annotation.desk_updated_at = updated_at
    annotation.lead_seconds = lead_seconds
    annotation.revision += 1
    annotation.save()
    note_revision(annotation)


def label_of(item: Item, *, said: Said) -> Label | None:
    """The label that was chosen, if one was."""
    if not said.answer.get("label"):
        return None
    return label_for(item.campaign_language.campaign, answer=said.answer)


def note_revision(annotation: Annotation) -> None:
    """Keep what an annotation says now."""
    revision_of(annotation).save(force_insert=True)


def revision_of(annotation: Annotation) -> AnnotationRevision:
    """What an annotation says now, yet to be kept."""
    return AnnotationRevision(
        annotation=annotation,
        number=annotation.revision,
        state=annotation.state,
        label_id=annotation.label_id,
        answer=annotation.answer,
        flag=annotation.flag,
        note=annotation.note,
        desk_updated_at=annotation.desk_updated_at,
        lead_seconds=annotation.lead_seconds,
    )
