"""A report on paper: its pictures take the room that a page has."""

import numpy as np
import pytest

import chainrule
from browser_tools import browser, needs_browser
from chainrule.documents.blocks import say
from chainrule.documents.html import as_html
from chainrule.documents.player import Player
from chainrule.documents.report import _played

__all__ = ["browser"]

pytestmark = needs_browser

WIDTH, HEIGHT = 680, 1017  # of A4 within the margins, px
PHONE = 390


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 8))
    y = X @ rng.normal(size=8) + rng.logistic(size=300) > 0
    path = tmp_path_factory.mktemp("lesson") / "lesson.html"
    with pytest.warns(chainrule.NotConvergedWarning):
        chainrule.fit(X, y, method="gradient-descent", max_reads=60).report(path, X, y, reader="learner")
    return path


def test_the_row_s_picture_is_on_the_first_page(browser, lesson):
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    page.goto(lesson.as_uri())
    page.emulate_media(media="print")
    pictures = [one for one in page.locator("svg.cr").all() if one.is_visible()]
    boxes = [one.bounding_box() for one in pictures]
    assert boxes[0]["y"] + boxes[0]["height"] < HEIGHT
    assert all(box["width"] <= WIDTH and box["height"] < HEIGHT for box in boxes)
    wide = [one for one in page.locator(".wide svg").all() if one.is_visible()]
    assert len(wide) == page.locator(".wide").count() > 1
    assert not any(one.is_visible() for one in page.locator(".narrow").all())
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": PHONE, "height": HEIGHT})
    assert not any(one.is_visible() for one in page.locator(".wide").all())
    page.close()


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A report with a player, which is but a page here."""
    path = tmp_path_factory.mktemp("played") / "played.html"
    player = Player("<p>This page needs JavaScript</p>", "'sha256-'", 300, None)
    path.write_text(as_html([*_played(player), say("The next chapter")], "A title"))
    return path


def test_on_paper_nothing_is_left_of_the_player(browser, played):
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    page.goto(played.as_uri())
    parts = [page.locator(each) for each in ("iframe", "h2", "p.note")]
    assert all(part.is_visible() for part in parts)
    page.emulate_media(media="print")
    assert not any(part.is_visible() for part in parts)
    assert page.get_by_text("The next chapter").is_visible()
    page.close()


def test_without_scripts_the_player_is_as_small_as_its_sentence(browser, played):
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, java_script_enabled=False)
    page.goto(played.as_uri())
    assert page.locator("iframe").bounding_box()["height"] < 150
    page.close()


def test_a_phone_shows_the_weights_before_and_after_the_step_at_once(browser, lesson):
    page = browser.new_page(viewport={"width": PHONE, "height": HEIGHT})
    page.goto(lesson.as_uri())
    heads = page.locator(
        "h3:has-text('from the rows to the step') ~ .scroll th:text-matches('^(dL_dw|this row|w|w_new)$')"
    )
    ends = [box["x"] + box["width"] for box in (head.bounding_box() for head in heads.all()[:4])]
    assert len(ends) == 4
    assert max(ends) <= PHONE
    page.close()
