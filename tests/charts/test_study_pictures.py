"""The studies' pictures: maps that agree with the probabilities, curves that keep their swings, sheets, and pixels."""

import math
import re
import threading

import numpy as np
import pytest

from chainrule.charts import axes, charts, maps, sheet, style
from chainrule.charts.canvas import extent
from chainrule.charts.charts import gradient_shares
from chainrule.charts.curves import batches_picture, centering_curves, learning_rate_picture, scaling_picture
from chainrule.charts.surfaces import levels_of as surface_levels
from chainrule.errors import InputError
from chainrule.words import cells, visible, wrapped
from test_pictures import (
    NASTY,
    SVG,
    a_run,
    css_of,
    description,
    parsed,
    pictures,
    place_of,
    plain_texts,
    rate_runs,
    some_maps,
    some_surface,
    words,
)

NEW = [
    "maps",
    "maps strange",
    "rates",
    "one rate",
    "scaling",
    "batches",
    "centering",
    "shares",
    "loss_of_z",
]


def boxes(svg: str) -> list[tuple[str, float, float, float, float]]:
    """Each text with its left, top, right and bottom: as wide as in DejaVu Sans; a digit's height is 0.72 of its size."""
    found = []
    for text in plain_texts(svg):
        css, shown = css_of(text), text.text
        size = float(css["font-size"].removesuffix("px"))
        width, (x, y) = size * extent(shown, bold=css.get("font-weight") == "bold"), place_of(text)
        left = x - {"start": 0.0, "middle": width / 2, "end": width}[css.get("text-anchor", "start")]
        found.append((shown, left, y - 0.72 * size, left + width, y))
    return found


@pytest.mark.parametrize("kind", [*NEW, "loss", "accuracy", "loss_by_reads", "gap", "odds", "probabilities"])
def test_no_word_touches_another_or_leaves_the_picture(kind):
    root = parsed(pictures()[kind])
    found = boxes(pictures()[kind])
    for text, left, top, right, bottom in found:
        assert left >= 0, text
        assert top >= 0, text
        assert right <= float(root.get("width")), text
        assert bottom <= float(root.get("height")), text
    for k, one in enumerate(found):
        for two in found[k + 1 :]:
            apart = one[3] <= two[1] or two[3] <= one[1] or one[4] <= two[2] or two[4] <= one[2]
            assert apart, (one[0], two[0])


@pytest.mark.parametrize("kind", [*NEW, "surface", "surfaces"])
def test_no_word_is_small(kind):
    assert min(float(css_of(text)["font-size"].removesuffix("px")) for text in plain_texts(pictures()[kind])) >= 12


def test_paths_and_levels_of_a_surface_are_where_they_should_be():
    svg = pictures()["surface"]
    texts = {text.text: place_of(text) for text in plain_texts(svg)}
    s = some_surface()

    unit = (texts["−2"][0] - texts["−4"][0]) / 2  # the same in both directions

    def place(x, y):
        return texts["−4"][0] + (x + 4) * unit, texts["−1"][1] - (y + 1) * unit

    for epoch in (1, 3):  # each number is beside its epoch's place; the path swings through the place of 10
        shown = texts[str(epoch)]
        assert math.dist(shown, place(*s.ways[0].at[epoch])) < 16, epoch
    assert surface_levels(s) == [0.01, 0.03, 0.1, 0.3]  # F - F* goes up to 0.16 + 0.45
    assert {"0.01", "0.1"} < set(texts)
    assert surface_levels(some_surface(exists=False)) == pytest.approx([0.3, 0.4, 0.5, 0.6, 0.7, 0.8])  # of F
    assert "F − F*" in description(svg)
    assert "Lines of F at" in description(pictures()["surfaces"])


# ---- maps ---------------------------------------------------------------------------------------------------------


def band_of(g):
    """The band that each probability falls in: 0 below BANDS[0], k from BANDS[k-1] on."""
    return np.searchsorted(np.asarray(maps.BANDS), np.asarray(g), side="right")


def one_map(
    w: tuple[float, float], b: float, box: tuple[tuple[float, float], tuple[float, float]], points: object = None
) -> str:
    return maps.decision_maps(
        [("", some_maps([(w, b)], points, x_range=box[0], y_range=box[1], loss=np.nan))], ("0", "1")
    )


def band_colours() -> np.ndarray:
    """(8, 3): each band's colour on the paper, as the key of the maps shows them."""
    strengths = np.array(maps._STRENGTHS)
    paper, zero, one = (
        np.array([int(style.PALETTE[r][0][k : k + 2], 16) for k in (1, 3, 5)]) for r in ("paper", "zero", "one")
    )
    mixed = [(1 - s) * paper + s * role for role, some in ((zero, strengths), (one, strengths[::-1])) for s in some]
    return np.array(mixed)


@pytest.mark.parametrize("seed", range(4))
def test_a_map_has_at_every_point_the_colour_of_its_probability(seed):
    rng = np.random.default_rng(seed)
    w, b = tuple(rng.normal(size=2) * 10.0 ** rng.uniform(-2, 2)), float(rng.normal() * 3)
    (x0, x1), (y0, y1) = box = (-2.0, 3.0), (1.0, 9.0)
    picture = one_map(w, b, box)
    left = max(34.0, 14 + 12 * max(extent(axes.tick(t)) for t in axes.nice(y0, y1, 4)))
    size, top = (440 - left - 20) / 2, 102.0 + 18  # of the first of two places
    image = picture.pixels(scale=2)
    column, row = rng.integers(4, int(2 * size) - 4, (2, 500))
    x, y = x0 + (column + 0.5) / (2 * size) * (x1 - x0), y1 - (row + 0.5) / (2 * size) * (y1 - y0)
    z = w[0] * x + w[1] * y + b
    # a dot of the picture that a border runs through may have either colour, and the line z = 0 is drawn over its own
    reach = (abs(w[0]) * (x1 - x0) + abs(w[1]) * (y1 - y0)) / (2 * size)
    logits = np.log(np.array(maps.BANDS) / (1 - np.array(maps.BANDS)))
    clear = (np.abs(z[:, None] - logits) > 2 * reach).all(axis=1) & (np.abs(z) > 8 * reach)
    got = image[round(2 * top) + row, round(2 * left) + column, :3].astype(float)
    nearest = np.argmin(np.abs(got[:, None] - band_colours()).sum(axis=2), axis=1)
    expected = band_of(1 / (1 + np.exp(-np.clip(z, -700, 700))))
    assert clear.sum() > 50
    assert np.array_equal(nearest[clear], expected[clear])
    assert np.abs(got[clear] - band_colours()[expected[clear]]).max() < 3


@pytest.mark.parametrize(
    ("w", "b", "band"),
    [
        ((0.0, 0.0), 0.0, 4),
        ((0.0, 0.0), 50.0, 7),
        ((0.0, 0.0), -50.0, 0),
        ((0.0, 0.0), 1.0, 4),
        ((1e-300, 0.0), -2.0, 2),
    ],
)
def test_one_probability_everywhere_is_one_band(w, b, band):
    image = one_map(w, b, ((0.0, 1.0), (0.0, 2.0))).pixels(scale=1)[126:302, 40:220, :3].reshape(-1, 3).astype(float)
    assert np.abs(image - band_colours()[band]).max() < 3


def test_weights_that_leave_float64_are_said_to():
    assert "too large" in words(one_map((1e308, -1e308), 0.0, ((-4.0, 4.0), (0.0, 4.0))))
    huge = one_map((1e240, 0.0), 0.0, ((-4.0, 4.0), (0.0, 4.0)))
    assert "too large" not in words(huge)
    image = huge.pixels(scale=1)[132:292, :, :3].astype(float)
    for column, band in ((60, 0), (200, 7)):
        assert np.abs(image[:, column] - band_colours()[band]).max() < 3


def test_maps_say_their_lines_and_of_how_many_rows_the_dots_are():
    svg = pictures()["maps"]
    assert "one, epoch 3, loss 0.250: z = 1 × " in description(svg)
    assert "Dots are a sample, 60 of 5,000 rows." in description(svg)
    whole = (np.array([0.2, 0.4]), np.array([0.5, 0.5]), np.array([0, 1]), 2)
    svg_of_all = one_map((1.0, 1.0), 0.0, ((0, 1), (0, 1)), whole)
    assert "Dots are 2 of 2 rows." in description(svg_of_all)
    assert "60 of 5,000 rows drawn" in words(svg)
    assert visible(NASTY[2]) in description(svg)
    assert words(svg).count("epoch 5") == 2


RANGES = [
    (2700, 6300),
    (0, 1),
    (-1234567, 2345678),
    (32.1, 59.6),
    (1e-9, 9e-9),
    (0.51, 0.52),
    (-0.89, -0.84),
    (5, 5),
    (-1e300, 1e300),
    (-9, 1),
]


@pytest.mark.parametrize("ends", RANGES, ids=str)
def test_ticks_of_small_maps_fit(ends):
    svg = maps.decision_maps([("", some_maps([((0.0, 0.0), 1.0)] * 5, x_range=ends, y_range=ends))], ("0", "1"))
    found = boxes(svg)
    for k, one in enumerate(found):
        assert one[1] >= 0
        assert one[3] <= 440
        for two in found[k + 1 :]:
            gap = 4 * (one[4] == two[4])  # between words of a line
            beside = one[3] + gap <= two[1] or two[3] + gap <= one[1]
            assert beside or one[4] <= two[2] or two[4] <= one[2], (one[0], two[0])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-2.5, "−2.5"), (4000.0, "4,000"), (1e6, "10⁶"), (-1e6, "−10⁶"), (2e6, "2 × 10⁶"), (2.5e-9, "2.5 × 10⁻⁹"),
     (1e-9, "10⁻⁹"), (0.25, "0.25"), (0.1 + 0.2, "0.3")],
)  # fmt: skip
def test_ticks_are_written_short(value, text):
    assert axes.tick(value) == text


def test_every_map_has_all_dots_and_stays_small():
    rng = np.random.default_rng(0)
    points = (rng.random(160), rng.random(160), rng.integers(0, 2, 160), 80_000)
    some = some_maps([((1.0, 1.0), -1.0)] * 8, points, x_range=(0, 1), y_range=(0, 1))
    svg = maps.decision_maps([("", some)], ("0", "1"))
    assert svg.count("stroke: #ffffff") >= 8 * 160
    assert len(svg) < 250_000
    assert "Across, x goes from 0 to 1; up, y from 0 to 1." in description(svg)
    assert "Dots are a sample, 160 of 80,000 rows." in description(svg)


def test_dots_stand_where_their_rows_are():
    points = (np.array([0.25, 0.75]), np.array([0.5, 0.25]), np.array([0, 1]), 2)
    image = one_map((0.0, 0.0), 0.5, ((0.0, 1.0), (0.0, 1.0)), points).pixels(scale=2)
    left = 14 + 12 * extent("0.25")
    size = (440 - left - 20) / 2
    for x, y, role in ((0.25, 0.5, "zero"), (0.75, 0.25, "one")):
        at = image[round(2 * (120 + size * (1 - y))), round(2 * (left + size * x)), :3]
        expected = [int(style.PALETTE[role][0][k : k + 2], 16) for k in (1, 3, 5)]
        assert np.abs(at.astype(int) - expected).max() < 20


# ---- learning rates -----------------------------------------------------------------------------------------------


def test_rates_say_what_happened_and_when():
    svg = pictures()["rates"]
    assert "0.0200 (crawls, ≈ 2,300): 0.25 at 0, 0.021 at 1,000 (epoch)" in description(svg)
    assert "7 (oscillates): 0.25 at 0" in description(svg)
    assert "9  diverges" in words(svg)
    assert "dashed: above 2/L_max = 2.20" in words(svg)


@pytest.mark.parametrize(
    ("limit", "text"), [(2.6559, "2.65"), (2.65, "2.65"), (9.999e-7, "9.99 × 10⁻⁷"), (0.4, "0.400")]
)
def test_a_limit_is_never_written_above_itself(limit, text):
    assert f"2/L_max = {text}" in words(learning_rate_picture(rate_runs(), limit=limit))


def test_rates_above_the_limit_are_dashed_and_those_below_are_not():
    def dashed(rate: float) -> bool:
        e = np.arange(9.0)
        svg = learning_rate_picture([a_run("rate", e, 0.25 * np.exp(-e), "6", rate)], limit=1.0)
        return any(
            "stroke-dasharray" in line and re.search(r'stroke-width: 2.2[;"]', line) for line in svg.split("<path")
        )

    assert not dashed(0.99)
    assert dashed(1.01)


def test_a_long_swing_is_a_small_file_and_lies_under_the_slower_runs():
    e = np.arange(100_001.0)
    swing = a_run("7", e, np.where(e > 0, 0.06 + 0.03 * np.cos(np.pi * e), 0.25), "never", 7.0, "oscillates")
    svg = learning_rate_picture([swing, a_run("2", e, 0.25 * np.exp(-e), "5", 2.0)], limit=2.2)
    assert len(svg) < 60_000
    assert svg.index(f"stroke: {style.PALETTE['backward'][0]}") < svg.index(f"stroke: {style.PALETTE['ramp-1'][0]}")


@pytest.mark.parametrize("runs", [[], rate_runs()[-1:], rate_runs() * 3], ids=["none", "diverges", "fifteen"])
def test_any_rates_are_drawn(runs):
    svg = learning_rate_picture(runs, limit=math.inf)
    parsed(svg)
    assert "nan" not in svg


# ---- gaps, centring, shares ---------------------------------------------------------------------------------------


def test_gaps_say_when_they_are_near_enough():
    says = description(pictures()["scaling"])
    assert "centred (599 epochs): 0.40 at 0, 0.00099 at 600 (epoch), lowest 0.00099, highest 0.40." in says
    assert "as they are (about 1,800 epochs): 0.40 at 0, 0.014 at 1,000 (epoch)" in says
    assert "within 0.0010." in says
    text = words(pictures()["batches"])
    assert "reads of the data" in text
    assert "updates of w" in text
    assert text.count("single rows") == 2
    assert (
        "single rows: 0.020 at 0, 0.020 at 1,000 (reads of the data), lowest 0.020, highest 0.020, first reached the level at 1"
        in (description(pictures()["batches"]))
    )


def test_what_leaves_the_chart_below_keeps_its_number():
    gap = np.array([0.5, 1e-3, 5e-6, 2e-4, 5.3e-7])  # the chart ends at 1e-5
    reads = np.arange(5.0)
    said = "".join(parsed(batches_picture([a_run("a", reads, gap, level=gap)], [1])).itertext())
    assert said.count("5.3 × 10⁻⁷") >= 2
    assert "1.0 × 10⁻⁶" not in said


@pytest.mark.parametrize("gap", [[], [np.nan, np.inf], [-1.0, 0.0], [1e300, 1e-300], [0.3]])
def test_any_gaps_are_drawn(gap):
    run = a_run("a", np.arange(float(len(gap))), np.array(gap))
    svg = scaling_picture([run])
    parsed(svg)
    assert "nan" not in svg
    assert ("no finite value" in description(svg)) == (not any(0 < v < math.inf for v in gap))
    parsed(batches_picture([], []))


def test_names_and_epochs_of_the_scaling_study_are_whole():
    labels = ["as they are", "centred", "numbers standardised", "standardised"]
    runs = [a_run(label, np.arange(9.0), 0.4 ** np.arange(9.0), "≈ 3,300") for label in labels]
    said = words(scaling_picture(runs))
    assert all(f"{label} ≈ 3,300 epochs" in said for label in labels)


def test_centring_says_both_numbers():
    e = np.arange(3.0)
    says = description(
        centering_curves(
            [a_run("a", e, e, loss=np.array([0.7, 0.5, 0.125]), held_out_accuracy=np.array([0.5, 0.75, 1.0]))],
            optimum=0.0625,
        )
    )
    assert "Training loss, nats per row. a: 0.7000 at 0, 0.1250 at 2" in says
    assert "Held-out accuracy, share of rows. a: 0.5000 at 0, 1 at 2 (epoch)" in says
    assert "optimum 0.06250." in says


def test_curves_of_centring_have_no_class_s_colour():
    e = np.arange(3.0)
    runs = [a_run(name, e, e, loss=0.7 - e / 5, held_out_accuracy=0.5 + e / 5) for name in ("as they are", "centred")]
    svg = centering_curves(runs, optimum=0.05)
    for role in ("one", "zero", "zero-text"):
        assert style.PALETTE[role][0] not in svg


def test_shares_are_of_the_sum_and_the_weak_are_together():
    s = np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]] * 4) * np.array([[1e-300], [1.0], [0.0], [1e305]])
    svg = gradient_shares(np.arange(4.0), s, list("abcdefgh"))
    says = description(svg)
    assert "h: 22.2% at epoch 0, 22.2% at epoch 3, at most 22.2%." in says
    assert "3 other columns: 16.7% at epoch 0" in says
    assert "3 other columns" in words(svg)
    six = gradient_shares(np.arange(4.0), s[:, :6], list("abcdef"))
    assert "other" not in description(six)


# ---- losses -------------------------------------------------------------------------------------------------------


def test_sure_and_wrong_rows_are_counted():
    z = np.array([-3.0, -2.0, 0.0, 5.0, 3.0, 4.0, -1.0, np.nan])
    y = np.array([1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0])
    svg = charts.loss_of_row(z, y)
    loss = np.logaddexp(0, -z[:4])
    expected = f"1 of 4 rows, {100 * loss[0] / loss.sum():.0f}% of their loss; the largest loss is 3.05 nats."
    assert expected in description(svg)
    assert "2 of 3 rows" in words(svg)


def test_loss_of_z_keeps_what_g_rounds_away():
    says = description(charts.loss_of_row([-800.0, 800.0], [1.0, 0.0]))
    assert "loss is 800 nats" in says
    assert "|z| above 12 is drawn at the ends" in says
    assert "1 of 1 row, 100% of their loss" in says


# ---- labels -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "one", "a b c " * 30, "x" * 100, "体重 " * 30, "word " + "y" * 60 + " end"])
@pytest.mark.parametrize("width", [10, 30])
def test_lines_of_a_sentence_fit_and_lose_nothing(text, width):
    lines = wrapped(text, width)
    assert all(cells(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


# ---- sheets and pixels --------------------------------------------------------------------------------------------


def panels() -> list:
    return [
        (lambda: charts.odds_forest(["a", "b"], [1.0, -0.5]), "Of two columns, " + "a long sentence " * 12),
        (lambda: scaling_picture([a_run("x", np.arange(5.0), 0.4 ** np.arange(5.0))]), "<b> & done."),
    ]


def test_a_sheet_holds_title_pictures_and_sentences_in_order():
    svg = sheet.svg_sheet(NASTY[0], panels())
    root = parsed(svg)
    assert root.get("role") == "group"
    inner = root.findall(f"{SVG}svg")
    tops = [float(e.get("y")) for e in inner]
    heights = [float(e.get("height")) for e in inner]
    assert [e.get("role") for e in inner] == ["img", "img"]
    assert tops[0] + heights[0] < tops[1]
    assert tops[1] + heights[1] < float(root.get("height"))
    own = [t for g in root.findall(f"{SVG}g") for t in g.iter(f"{SVG}text")]
    text = " ".join("".join(t.itertext()) for t in own)
    assert text.startswith(visible(NASTY[0]))
    assert text.index("a long sentence") < text.index("<b> & done.")
    between = [float(t.get("y")) for t in own if "a long" in "".join(t.itertext())]
    assert tops[0] + heights[0] < min(between)
    assert max(between) < tops[1]
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    assert svg.count("<style>") == 1


def test_a_sheet_as_png_has_the_size_of_its_svg():
    root = parsed(sheet.svg_sheet("title", panels()))
    png = sheet.png_sheet("title", panels(), scale=2)
    size = [int.from_bytes(png[at : at + 4], "big") for at in (16, 20)]
    assert size[0] == 2 * float(root.get("width"))
    assert size[1] == pytest.approx(2 * float(root.get("height")), abs=2)


def test_png_is_the_picture_at_its_scale_with_words_and_dots():
    def draw(label: str = "centred") -> str:
        return scaling_picture([a_run(label, np.arange(9.0), 0.4 ** np.arange(9.0))])

    png = sheet.encode_png(draw().pixels(1.5))
    root = parsed(draw())
    assert png.startswith(b"\x89PNG\r\n")
    size = [int.from_bytes(png[at : at + 4], "big") for at in (16, 20)]
    assert size == [1.5 * float(root.get("width")), 1.5 * float(root.get("height"))]
    assert png == sheet.encode_png(draw().pixels(1.5))
    assert png != sheet.encode_png(draw("other").pixels(1.5))
    image = draw().pixels(scale=2)
    assert (image[..., 3] == 255).all()
    blue = np.array([int(style.PALETTE["one"][0][k : k + 2], 16) for k in (1, 3, 5)])
    near = (np.abs(image[..., :3].astype(int) - blue) < 6).all(axis=-1)
    # the dot at the curve's end is a disc of 11 dots across: the only blue square of 7
    square = np.lib.stride_tricks.sliding_window_view(near, (7, 7)).all(axis=(-1, -2))
    assert square.any()


def test_pixels_change_no_svg_and_need_a_scale():
    def draw() -> str:
        return charts.odds_forest(NASTY, np.arange(6.0))

    before = draw()
    before.pixels(1)
    assert draw() == before
    for scale in (0.0, -1.0, math.nan, math.inf, 100.0):
        with pytest.raises(InputError, match="scale"):
            before.pixels(scale)


def test_one_thread_draws_svg_while_another_draws_pixels():
    def draw() -> str:
        return charts.odds_forest(["a"], [1.0])

    svg, image = draw(), draw().pixels(1)
    svgs, images = [], []
    threads = [threading.Thread(target=lambda: svgs.append(draw())) for _ in range(3)]
    threads += [threading.Thread(target=lambda: images.append(draw().pixels(1))) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert svgs == [svg] * 3
    assert len(images) == 3
    assert all(np.array_equal(other, image) for other in images)
