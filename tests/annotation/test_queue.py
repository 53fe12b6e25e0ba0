import pytest
from django.utils import timezone

from annotation.actions.desk import prepare_desk
from annotation.actions.intake import requalify, sweep, sweep_for_deletions
from annotation.actions.people import join_team
from annotation.actions.queue import push_items
from annotation.errors import ConflictError, DeskRefusedError, TransientError
from annotation.gateways import DeskItem
from annotation.models import (
    Annotation,
    CampaignLanguage,
    DeskEvent,
    Guideline,
    Item,
    QuarantinedAnswer,
    User,
)
from tests.fakes import FakeLabelingDesk
from tests.make import make_annotator, make_campaign, make_item, make_sample, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> FakeLabelingDesk:
    return FakeLabelingDesk()


@pytest.fixture
def home() -> CampaignLanguage:
    return CampaignLanguage.objects.get(campaign=make_campaign(languages=("wo",)))


def push(home: CampaignLanguage, desk: FakeLabelingDesk):
    return push_items(home, desk=desk, now=timezone.now())


def owe(home: CampaignLanguage, *, priority: float = 0.5, batch: str = "r1", **over) -> Item:
    return make_item(make_sample(home.campaign), priority=priority, batch=batch, **over)


def test_a_language_gets_one_project_however_often_it_is_prepared(home, desk):
    first = prepare_desk(home, desk=desk)
    again = prepare_desk(home, desk=desk)
    assert first.desk_project_id == again.desk_project_id
    assert list(desk.projects) == [first.desk_project_id]
    assert home.desk_configs.count() == 1


def test_a_project_made_before_we_died_is_found_again(home, desk):
    prepare_desk(home, desk=desk)
    number = CampaignLanguage.objects.get(pk=home.pk).desk_project_id
    CampaignLanguage.objects.update(desk_project_id=None)
    assert prepare_desk(home, desk=desk).desk_project_id == number
    assert len(desk.projects) == 1


def test_a_project_made_but_never_told_is_found_again(home, desk):
    desk.fail_once("create_project", when="after")
    with pytest.raises(TransientError):
        prepare_desk(home, desk=desk)
    prepare_desk(home, desk=desk)
    assert len(desk.projects) == 1


def test_two_who_create_at_once_agree_on_the_older_project(home, desk):
    prepare_desk(home, desk=desk)
    stale = CampaignLanguage.objects.get(pk=home.pk)
    older = stale.desk_project_id
    marker = desk.projects[older].marker
    CampaignLanguage.objects.update(desk_project_id=None)
    listed = desk.find_projects
    answers = iter([[]])
    desk.find_projects = lambda m: next(answers, None) or listed(m)
    assert prepare_desk(home, desk=desk).desk_project_id == older
    assert listed(marker) == [older]


def test_a_new_guideline_makes_a_new_form_and_reaches_the_open_items(home, desk):
    item = owe(home)
    push(home, desk)
    Guideline.objects.create(campaign_language=home, version=1, text="Read <all> of it.")
    prepared = prepare_desk(home, desk=desk)
    assert home.desk_configs.count() == 2
    assert "Read &lt;all&gt; of it." in desk.projects[prepared.desk_project_id].instruction
    item.refresh_from_db()
    assert item.desk_config.guideline_version == 1


def test_a_form_changed_at_the_desk_is_mended_and_said(home, desk):
    project = desk.projects[prepare_desk(home, desk=desk).desk_project_id]
    ours = project.config
    project.config, project.intact = "<View/>", False
    prepare_desk(home, desk=desk)
    assert project.config == ours
    assert project.intact
    assert DeskEvent.objects.get(action="PROJECT_REPAIRED").campaign_language == home


def test_a_key_that_people_have_answered_with_cannot_be_renamed(home, desk):
    item = owe(home)
    annotator = make_annotator("awa")
    push(home, desk)
    item.refresh_from_db()
    desk.annotate(item.desk_task_id, user_id=annotator.user.desk_user_id, label="admin")
    sweep(home, desk=desk, now=timezone.now())
    home.campaign.labels.filter(key="admin").update(key="office")
    with pytest.raises(ConflictError, match="admin"):
        prepare_desk(home, desk=desk)


def test_a_lost_project_is_made_anew_and_open_items_are_owed_again(home, desk):
    answered, still_open = owe(home, priority=0.1), owe(home, priority=0.2)
    annotator = make_annotator("awa")
    push(home, desk)
    answered.refresh_from_db()
    desk.annotate(answered.desk_task_id, user_id=annotator.user.desk_user_id, label="admin")
    sweep(home, desk=desk, now=timezone.now())
    desk.projects.clear()
    assert sweep_for_deletions(home, desk=desk, now=timezone.now()).tombstoned == 0
    push(prepare_desk(home, desk=desk), desk)
    assert len(desk.projects) == 1
    answered.refresh_from_db()
    still_open.refresh_from_db()
    assert answered.state == Item.State.ANSWERED
    assert still_open.state == Item.State.PUSHED
    assert next(iter(desk.projects.values())).tasks[still_open.desk_task_id]
    sweep(home, desk=desk, now=timezone.now())
    assert answered.annotations.answered().count() == 1


def settle_at(desk: FakeLabelingDesk, *users: User) -> None:
    """Give people accounts at a desk, in that order, and those who had none here their numbers."""
    for user in users:
        account = desk.create_account(email=user.desk_email, name="", password="a-long-password")  # noqa: S106 - of nobody
        if user.pk and user.desk_user_id is None:
            User.objects.filter(pk=user.pk).update(desk_user_id=account.user_id)
            user.refresh_from_db()


def answer(home: CampaignLanguage, desk: FakeLabelingDesk, item: Item, label: str, user) -> int:
    item.refresh_from_db()
    number = desk.annotate(item.desk_task_id, user_id=user.desk_user_id, label=label)
    sweep(home, desk=desk, now=timezone.now())
    return number


def test_a_desk_that_counts_from_one_again_takes_nobodys_answers_away(home, desk):
    awa, stranger = make_user("awa"), make_user("inti")
    make_annotator("awa")
    settle_at(desk, awa, stranger)
    done, late, owed, more = owe(home), owe(home), owe(home), owe(home)
    push(home, desk)
    numbers = [
        answer(home, desk, done, "admin", awa),
        answer(home, desk, late, "dates", stranger),
    ]
    fresh = FakeLabelingDesk()
    settle_at(fresh, stranger, awa)
    push(prepare_desk(home, desk=fresh), fresh)
    awa.refresh_from_db()
    # The new desk gives its first answers the numbers that the old one had given.
    fresh._numbers = iter(numbers)
    for item in (owed, more):
        answer(home, fresh, item, "dates", awa)
    join_team(stranger, language=home.language, now=timezone.now())
    given = Annotation.objects.answered().values_list("item", "label__key")
    told = [(done.pk, "admin"), *((item.pk, "dates") for item in (late, owed, more))]
    assert sorted(given) == told
    assert sweep_for_deletions(home, desk=fresh, now=timezone.now()).tombstoned == 0


def test_a_desk_that_comes_back_after_it_was_let_go_tells_nothing_twice(home, desk):
    awa = make_user("awa")
    make_annotator("awa")
    settle_at(desk, awa)
    item = owe(home, wanted=1)
    push(home, desk)
    number = answer(home, desk, item, "admin", awa)
    other = FakeLabelingDesk()
    prepare_desk(home, desk=other)
    assert Annotation.objects.get().desk_annotation_id < 0
    awa.refresh_from_db()
    assert awa.desk_user_id is None
    prepare_desk(home, desk=desk)
    sweep(home, desk=desk, now=timezone.now())
    held = Annotation.objects.get()
    assert (held.desk_annotation_id, held.revision) == (number, 1)
    desk.edit(number, label="dates")
    sweep(home, desk=desk, now=timezone.now())
    assert Annotation.objects.get().label.key == "dates"


def test_a_number_that_another_item_holds_is_kept_aside_and_withdraws_nothing(home, desk):
    awa = make_annotator("awa")
    first, second = owe(home), owe(home)
    push(home, desk)
    number = answer(home, desk, first, "admin", awa.user)
    second.refresh_from_db()
    desk.annotate(second.desk_task_id, user_id=awa.user.desk_user_id, label="dates", id=number)
    sweep(home, desk=desk, now=timezone.now())
    row = QuarantinedAnswer.objects.get()
    assert (row.reason, row.item) == ("unknown_item", second)
    assert str(number) in row.detail
    assert Annotation.objects.answered().get().item == first
    Annotation.objects.update(desk_annotation_id=-2)
    assert requalify(home, now=timezone.now()) == 1
    assert Annotation.objects.answered().count() == 2


def test_people_are_known_by_their_addresses_where_the_old_numbers_are_somebody_elses(home, desk):
    awa, inti, noor = make_user("awa"), make_user("inti"), make_user("noor", staff=True)
    for name in ("awa", "inti"):
        make_annotator(name)
    User.objects.filter(pk=noor.pk).update(desk_user_id=desk.account_of_token().user_id)
    settle_at(desk, awa, inti)
    push(home, desk)
    fresh = FakeLabelingDesk()
    settle_at(fresh, User(username="lee"), awa)  # Lee has Awa's number now, and Awa has Inti's
    item, other = owe(home), owe(home)
    push(prepare_desk(home, desk=fresh), fresh)
    for user in (awa, inti, noor):
        user.refresh_from_db()
    assert (awa.desk_user_id, inti.desk_user_id) == (3, None)
    assert noor.desk_user_id == fresh.account_of_token().user_id
    event = DeskEvent.objects.get(action="ACCOUNTS_MOVED")
    assert "1 found by their addresses, none for Inti: add them again" in event.detail
    answer(home, fresh, item, "admin", awa)
    other.refresh_from_db()
    fresh.annotate(other.desk_task_id, user_id=2, label="dates")
    sweep(home, desk=fresh, now=timezone.now())
    assert Annotation.objects.get().annotator.user == awa
    assert QuarantinedAnswer.objects.get().reason == "unknown_person"


def test_an_interrupted_search_for_people_is_made_good(home, desk):
    awa = make_user("awa")
    make_annotator("awa")
    settle_at(desk, awa)
    push(home, desk)
    fresh = FakeLabelingDesk()
    settle_at(fresh, User(username="lee"), awa)
    fresh.fail_once("list_accounts")
    with pytest.raises(TransientError):
        prepare_desk(home, desk=fresh)
    prepare_desk(home, desk=fresh)
    awa.refresh_from_db()
    assert awa.desk_user_id == 3


def test_a_deleted_project_moves_nobody(home, desk):
    awa = make_user("awa")
    make_annotator("awa")
    settle_at(desk, awa)
    push(home, desk)
    desk.projects.clear()
    prepare_desk(home, desk=desk)
    assert not DeskEvent.objects.filter(action="ACCOUNTS_MOVED").exists()


def test_nothing_is_taken_from_another_project_under_our_number(home, desk):
    awa = make_annotator("awa").user
    item = owe(home)
    push(home, desk)
    answer(home, desk, item, "admin", awa)
    home.refresh_from_db()
    theirs = desk.projects[home.desk_project_id]
    theirs.marker, theirs.tasks = "their own", {}
    task = desk.push(theirs.id, [DeskItem(uid="theirs-1", text="a", priority=0.0, batch="x")])
    desk.annotate(task["theirs-1"], user_id=awa.desk_user_id, label="dates")
    with pytest.raises(DeskRefusedError, match="is not ours"):
        sweep(home, desk=desk, now=timezone.now())
    assert Annotation.objects.get().label.key == "admin"
    assert not QuarantinedAnswer.objects.exists()
    assert prepare_desk(home, desk=desk).desk_project_id != theirs.id
    assert sweep(home, desk=desk, now=timezone.now()).tasks == 0


def test_a_sweep_of_our_own_items_asks_nothing_more(home, desk):
    owe(home)
    push(home, desk)
    desk.calls.clear()
    sweep(home, desk=desk, now=timezone.now())
    assert desk.calls == ["changed_tasks"]


def test_another_project_under_our_number_is_left_alone_and_withdraws_nothing(home, desk):
    awa = make_annotator("awa")
    item = owe(home)
    push(home, desk)
    answer(home, desk, item, "admin", awa.user)
    home.refresh_from_db()
    ours = desk.projects[home.desk_project_id]
    ours.marker, ours.config, ours.tasks = "their own", "<View/>", {}
    assert sweep_for_deletions(home, desk=desk, now=timezone.now()).tombstoned == 0
    assert prepare_desk(home, desk=desk).desk_project_id != ours.id
    assert ours.config == "<View/>"
    assert Annotation.objects.answered().count() == 1


def test_our_project_under_a_rewritten_description_is_still_ours(home, desk):
    owe(home)
    push(home, desk)
    home.refresh_from_db()
    desk.projects[home.desk_project_id].marker = "Please finish by Friday"
    assert prepare_desk(home, desk=desk).desk_project_id == home.desk_project_id


def test_the_most_useful_items_are_asked_first(home, desk):
    for priority in (0.3, 0.1, 0.2):
        owe(home, priority=priority)
    push(home, desk)
    texts = [i.sample.text for i in Item.objects.order_by("priority")]
    assert desk.queue(CampaignLanguage.objects.get().desk_project_id) == texts


def test_only_the_top_slice_is_pushed(home, desk, settings):
    settings.ENV = settings.ENV.model_copy(update={"queue_slice": 2})
    items = [owe(home, priority=p) for p in (0.3, 0.1, 0.2)]
    assert push(home, desk).owed == 1
    assert push(home, desk).pushed == 0
    states = [Item.objects.get(pk=i.pk).state for i in items]
    assert states == ["queued", "pushed", "pushed"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_push_that_timed_out_is_not_doubled(home, desk, when):
    prepare_desk(home, desk=desk)
    items = [owe(home), owe(home)]
    desk.fail_once("push", when=when)
    with pytest.raises(TransientError):
        push(home, desk)
    result = push(home, desk)
    assert (result.adopted, result.pushed) == ((2, 0) if when == "after" else (0, 2))
    project = desk.projects[CampaignLanguage.objects.get().desk_project_id]
    assert sorted(t.uid for t in project.tasks.values()) == sorted(str(i.uid) for i in items)
    assert not Item.objects.exclude(state="pushed").exists()
    assert desk.queue(project.id)


def test_a_pusher_killed_between_desk_and_commit_leaves_no_doubles(home, desk, monkeypatch):
    owe(home)
    prepare_desk(home, desk=desk)

    class Killed(BaseException):
        pass

    def die(*_a, **_k):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("annotation.actions.queue._record", die)
        with pytest.raises(Killed):
            push(home, desk)
    assert push(home, desk).busy
    CampaignLanguage.objects.update(pushing_until=timezone.now())
    assert push(home, desk).adopted == 1
    assert len(desk.projects[CampaignLanguage.objects.get().desk_project_id].tasks) == 1


def test_two_pushers_at_once_push_once(home, desk):
    owe(home)
    prepare_desk(home, desk=desk)
    plain = desk.push

    def push_while_another_tries(project_id, items):
        assert push(home, desk).busy
        return plain(project_id, items)

    desk.push = push_while_another_tries
    assert push(home, desk).pushed == 1


def test_what_was_open_takes_its_place_in_the_new_rounds_order(home, desk):
    old = owe(home, priority=0.5, batch="r1")
    push(home, desk)
    first, last = owe(home, priority=0.1, batch="r2"), owe(home, priority=0.9, batch="r2")
    result = push(home, desk)
    assert (result.pushed, result.reranked) == (2, 1)
    order = desk.queue(CampaignLanguage.objects.get().desk_project_id)
    assert order == [i.sample.text for i in (first, old, last)]


def test_the_order_is_written_even_if_the_desk_failed_right_after_the_push(home, desk):
    old = owe(home, priority=0.5, batch="r1")
    push(home, desk)
    new = owe(home, priority=0.1, batch="r2")
    desk.fail_once("set_priorities")
    with pytest.raises(TransientError):
        push(home, desk)
    push(home, desk)
    order = desk.queue(CampaignLanguage.objects.get().desk_project_id)
    assert order == [new.sample.text, old.sample.text]
    assert desk.projects[CampaignLanguage.objects.get().desk_project_id].batch == "r2"


def test_withdrawn_items_leave_the_desk_unless_answered(home, desk):
    idle, answered = owe(home), owe(home)
    push(home, desk)
    answered.refresh_from_db()
    desk.annotate(answered.desk_task_id, user_id=77, label="admin")
    Item.objects.update(state="withdrawn")
    assert push(home, desk).withdrawn == 1
    project = desk.projects[CampaignLanguage.objects.get().desk_project_id]
    assert [t.uid for t in project.tasks.values()] == [str(answered.uid)]
    idle.refresh_from_db()
    assert idle.desk_task_id is None


def test_text_that_no_desk_can_carry_does_not_block_the_queue(home, desk):
    sample = make_sample(home.campaign, text="before\x00after")
    make_item(sample)
    push(home, desk)
    assert desk.queue(CampaignLanguage.objects.get().desk_project_id) == ["beforeafter"]


def test_an_item_for_two_people_stays_in_the_queue_after_one(home, desk):
    item = owe(home, wanted=2)
    push(home, desk)
    item.refresh_from_db()
    desk.annotate(item.desk_task_id, user_id=77, label="admin")
    assert len(desk.queue(CampaignLanguage.objects.get().desk_project_id)) == 1
