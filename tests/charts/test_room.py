"""Pictures in a real browser: no two texts overlap, none leaves its picture, and a page shows the form that fits."""

import shutil
from itertools import combinations

import numpy as np
import pytest

import chainrule
from chainrule.charts.charts import gradient_shares, odds_forest
from chainrule.charts.graph_picture import NARROW, WIDE, row_graph
from chainrule.charts.maps import decision_maps
from chainrule.charts.surfaces import surfaces
from chainrule.documents import shown
from chainrule.documents.html import as_html
from chainrule.explain import explain_row
from chainrule.studies.surface import Axis
from test_pictures import ALIKE, some_maps, some_surface

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="no playwright: the picture of a row is not measured in a browser"
)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium: the picture of a row is not measured in a browser"
)

LONG = [f"the_name_of_a_column_that_has_as_many_as_eighty_signs_and_differs_at_its_end_{k:03}" for k in range(60)]
TEXTS = """() => {
    const at = document.querySelector("svg").getBoundingClientRect();
    const texts = [...document.querySelectorAll("svg text, svg g:has(> use[*|href*=STIX])")].map((text) => {
        const box = text.getBoundingClientRect();
        const size = parseFloat(getComputedStyle(text).fontSize);
        return [text.textContent, box.left - at.left, box.top - at.top, box.right - at.left, box.bottom - at.top, size];
    });
    return [at.width, at.height, texts];
}"""


@pytest.fixture(scope="module")
def page():
    with playwright.sync_playwright() as started:
        with started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]) as browser:
            yield browser.new_page()


def row(n, names=LONG, y=1.0, seed=0, scale=1.0, **more):
    rng = np.random.default_rng(seed)
    x, w = scale * rng.normal(size=n), rng.normal(size=n)
    return explain_row(
        x, y, w, 0.25, feature_names=names[:n], row=123_456, epoch=1_234, label="a label of some length", **more
    )


TINY, HUGE = -1.234567e-150, -1.234567e150
ROWS = {
    **{f"{n} features": lambda n=n: row(n) for n in (1, 2, 3, 8, 60)},
    **{f"{n} in units of their own": lambda n=n: row(n, y=0.0, x_user=np.full(n, -1e-300)) for n in (2, 8, 60)},
    "capitals": lambda: row(8, [name.upper() for name in LONG]),
    "wide letters": lambda: row(8, ["体" * 39 + letter for letter in "甲乙丙丁戊己庚辛"]),
    "zeros": lambda: explain_row([0.0] * 6 + [1.0, -2.0], 0.0, [1.0] * 8, 0.0, feature_names=LONG[:8]),
    "only zeros": lambda: explain_row([0.0] * 6, 1.0, [1.0] * 6, 0.0, feature_names=LONG[:6]),
    "tiny": lambda: explain_row([TINY] * 60, 0.0, [-TINY] * 60, -690.1234, feature_names=LONG, x_user=[1e150 * TINY] * 60),
    "huge": lambda: explain_row([HUGE, 1 / HUGE, 3e-200], 1.0, [TINY, HUGE, -3.0], 0.3, feature_names=LONG[:3]),
    "rounded": lambda: explain_row([50.0, 0.0], 0.0, [2.0, 1.0], 0.3, feature_names=LONG[:2]),
    "nearly rounded": lambda: explain_row([50.0, 1.0], 0.0, [-2.0, 1.0], 0.3, feature_names=LONG[:2]),
    "unknown": lambda: row(8, y=None),
}  # fmt: skip


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("of", ROWS)
def test_no_two_texts_overlap_and_none_leaves_the_picture(page, of, width):
    layout = WIDE if width > 1000 else NARROW
    page.set_viewport_size({"width": width, "height": 900})
    style = "body { margin: 0 16px } svg { display: block; max-width: 100%; height: auto }"
    page.set_content(f"<style>{style}</style>{row_graph(ROWS[of]().to_dict(), layout).standalone()}")
    room, texts = room_and_texts(page)
    assert room == min(layout.width, width - 32)
    assert layout is WIDE or min(size for *_, size in texts) >= 11


def room_and_texts(page):
    """The picture's width and its texts: no two of them overlap, and none leaves the picture."""
    room, height, texts = page.evaluate(TEXTS)
    assert texts
    for said, left, top, right, bottom, _ in texts:
        assert -0.5 <= left < right <= room + 0.5, said
        assert -0.5 <= top < bottom <= height + 0.5, said
    for (one, *a, _), (other, *b, _) in combinations(texts, 2):
        across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
        assert across <= 0.5 or down <= 3, (one, other)  # a line's box is higher than its letters
    return room, texts


def maps_of(names):
    return decision_maps([("", some_maps([((1.0, 1.0), 0.0)] * 6, names=names[:2]))], names[2:4])


def surface_of(names):
    surface = some_surface()
    surface.axes = Axis("0.8 {} − 0.6 {} + …", (names[0], names[1])), Axis("−0.7 {} + 0.3 {}", (names[2], names[3]))
    return surfaces([("", surface)])


@pytest.mark.parametrize(("names", "parts"), [
    (ALIKE, [f"{k}_" for k in range(4)]), (["W" * 79 + letter for letter in "ABCD"], ["WA", "WB", "WC", "WD"]),
], ids=["alike", "wide"])  # fmt: skip
@pytest.mark.parametrize("picture", [
    lambda names: odds_forest(names, np.arange(4.0)),
    lambda names: gradient_shares(np.arange(4.0), np.ones((4, 4)), names), maps_of, surface_of,
    lambda names: row_graph(row(4, names).to_dict()),
], ids=["odds", "shares", "maps", "surface", "row"])  # fmt: skip
def test_names_of_eighty_characters_have_room_and_stay_different(page, picture, names, parts):
    page.set_viewport_size({"width": 1280, "height": 900})
    page.set_content(picture(names).standalone())
    _, texts = room_and_texts(page)
    said = " ".join(text for text, *_ in texts)
    assert all(part in said for part in parts)


PATHS = """() => [...document.querySelectorAll('svg path[style*="stroke-width: 1.8"]')].flatMap((path) => {
    const at = document.querySelector("svg").getBoundingClientRect();
    return Array.from({length: Math.ceil(path.getTotalLength() / 2)}, (_, k) => {
        const point = path.getPointAtLength(2 * k).matrixTransform(path.getScreenCTM());
        return [point.x - at.left, point.y - at.top];
    });
})"""


@pytest.mark.parametrize("seed", range(6))
def test_words_on_a_surface_stand_on_no_path_and_within_its_frame(page, seed):
    rng, surface = np.random.default_rng(seed), some_surface()
    for way in surface.ways[:2]:  # runs that stay together, then wander
        way.epochs = np.arange(101)
        way.at = np.linspace((-3.0, -1.0), (0.0, 0.0), 101) + np.cumsum(rng.normal(0, 0.01 * seed, (101, 2)), axis=0)
    surface.F = 10.0 ** rng.uniform(-3, 3) * (surface.F - 0.25)
    surface.lowest = 0.0
    page.set_content(surfaces([("", surface)]).standalone())
    _, texts = room_and_texts(page)
    frame = (46, 90, 428, 90 + 382 * 0.6)
    words = [(said, *at) for said, *at, _ in texts if frame[1] < (at[1] + at[3]) / 2 < frame[3] and at[2] > frame[0]]
    assert len(words) >= 3
    for said, left, top, right, bottom in words:
        assert frame[0] < left < right < frame[2], said
        assert frame[1] - 3 < top < bottom < frame[3] + 3, said
        for x, y in page.evaluate(PATHS):
            assert not (left < x < right and top + 3 < y < bottom - 3), said


@pytest.mark.parametrize(("width", "form"), [(1280, WIDE), (1010, WIDE), (1000, NARROW), (390, NARROW), (320, NARROW)])
def test_a_page_shows_the_form_that_fits(page, width, form):
    page.set_viewport_size({"width": width, "height": 900})
    page.set_content(as_html(shown(row(8)), "A row"))
    found = page.evaluate("[...document.querySelectorAll('svg')].map((svg) => svg.getBoundingClientRect().width)")
    hidden, visible = found if form is NARROW else reversed(found)
    assert hidden == 0
    assert 0.75 * form.width < visible <= min(width, 1.2 * form.width)
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_a_study_s_page_uses_the_whole_width(page, width):
    X = np.random.default_rng(0).normal(size=(60, 3))
    page.set_viewport_size({"width": width, "height": 900})
    page.set_content(chainrule.studies.learning_rate(X, X[:, 0] > X[:, 1], alpha=0.1).html())
    edges = "[...document.querySelectorAll('svg.cr, table')].map((each) => each.getBoundingClientRect())"
    left, right = page.evaluate(
        f"[Math.min(...{edges}.map((at) => at.left)), Math.max(...{edges}.map((at) => at.right))]"
    )
    assert left <= 28
    assert width - 70 <= right  # a table is as wide as its words
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_printed_picture_is_not_higher_than_its_page(page):
    page.set_viewport_size({"width": 680, "height": 1000})
    page.set_content(as_html(shown(row(60)), "A row"))
    page.emulate_media(media="print")
    height = page.evaluate(
        "Math.max(...[...document.querySelectorAll('svg')].map((svg) => svg.getBoundingClientRect().height))"
    )
    page.emulate_media(media="screen")
    assert 500 < height < 950  # the wide form
