"""What is worth a line in the logs."""

import logging

from config.logging import hide_links, worth_a_line


def line(name: str, *, level: int = logging.INFO) -> logging.LogRecord:
    said = ({"name": name, "id": "1"},)
    return logging.LogRecord("celery.app.trace", level, __file__, 1, "Task %(name)s", said, None)


def test_the_timetable_coming_and_going_well_is_left_out() -> None:
    assert not worth_a_line(line("training.tasks.tick"))


def test_a_failing_tick_and_all_other_work_are_told() -> None:
    assert worth_a_line(line("training.tasks.tick", level=logging.ERROR))
    assert worth_a_line(line("training.tasks.train"))


def test_the_secret_of_a_personal_link_is_in_no_line() -> None:
    told = {"event": "Not Found: /go/Zm9v-YmFy_1/", "request": "GET /go/Zm9v-YmFy_1/", "code": 404}
    assert hide_links(None, "", told) == {
        "event": "Not Found: /go/…/",
        "request": "GET /go/…/",
        "code": 404,
    }


def test_the_secret_of_a_letter_is_in_no_line_and_the_page_of_letters_is() -> None:
    told = {"event": "GET /letters/7-5f1a:Zm9v-YmFy_1/", "request": "POST /letters/yes/7%3AZm9v/"}
    assert hide_links(None, "", told) == {
        "event": "GET /letters/…/",
        "request": "POST /letters/yes/…/",
    }
    assert hide_links(None, "", {"event": "GET /me/letters/"}) == {"event": "GET /me/letters/"}
