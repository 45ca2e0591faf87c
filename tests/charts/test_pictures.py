import functools
import re
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.charts import charts, curves, maps, style
from chainrule.charts.charts import gradient_shares, odds
from chainrule.charts.curves import batches_picture, centering_curves, learning_rate_picture, scaling_picture
from chainrule.charts.graph_picture import NARROW, WIDE, row_graph
from chainrule.charts.quality import calibration_picture, precision_recall_picture, roc_picture
from chainrule.charts.surfaces import surfaces
from chainrule.explain import explain_row
from chainrule.fitting.metrics import figures, quality
from chainrule.studies.surface import Axis
from chainrule.words import cells, formula, plain, pretty, shortened, shortened_apart, visible
from drawn_tools import drawn

NASTY = [
    "<script>alert(1)</script>",
    "100% $x_1^2$ \\frac{1}{2} \\notacommand",
    "体重 العمر 🐧",
    "a \"quoted\" & 'single' name",
    "ctrl\x00\x07\ud800",
    "$",
]
SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)


def words(svg: str) -> str:
    return " ".join("".join(t.itertext()) for t in parsed(svg).iter(f"{SVG}text"))


def plain_texts(svg: str) -> list[ET.Element]:
    """All texts; formulas are outlines."""
    return list(parsed(svg).iter(f"{SVG}text"))


def description(svg: str) -> str:
    return parsed(svg).find(f"{SVG}desc").text


def css_of(text: ET.Element) -> dict[str, str]:
    """The inline style of a text."""
    return dict(map(str.strip, part.split(":")) for part in text.get("style").split(";"))


def place_of(text: ET.Element) -> tuple[float, float]:
    """Where a text begins: a line of several has a transform in place of x and y."""
    moved = re.match(r"translate\(([-.\d]+) ([-.\d]+)\)", text.get("transform", ""))
    x, y = moved.groups() if moved else (text.get("x"), text.get("y"))
    return float(x), float(y)


def trace(epochs: int = 200, **more: np.ndarray) -> SimpleNamespace:
    e = np.arange(epochs + 1)
    columns = {"epoch": e, "loss": 0.25 + 0.44 * np.exp(-e / 20), "accuracy": 0.9 - 0.4 * np.exp(-e / 5.0)}
    return SimpleNamespace(columns={**columns, **more})


def newton(**more: np.ndarray) -> SimpleNamespace:
    """Three steps on a sample, then three on all rows, of which the last two have a bound."""
    columns = {
        "epoch": np.arange(6),
        "reads": np.array([0.03, 0.06, 0.5, 1.5, 2.5, 3.5]),
        "share": np.array([0.125, 0.125, 0.5, 1.0, 1.0, 1.0]),
        "loss": np.array([0.69, 0.4, 0.31, 0.3125, 0.3124, 0.3124]),
        "objective": np.array([0.69, 0.41, 0.32, 0.3225, 0.3224, 0.3224 - 2e-7]),
        "accuracy": np.array([0.5, 0.8, 0.85, 0.84, 0.84, 0.84]),
        "gap": np.array([np.inf, np.inf, np.inf, np.inf, 3e-7, 2e-11]),
    }
    return SimpleNamespace(columns={**columns, **more})


def explanation(x=(0.5, -1.0, 0.0), y=1.0, w=(1.25, 0.75, -3.0), b=0.3, names=("mass", "length", "red"), **more):
    return explain_row(np.array(x), y, np.array(w), b, feature_names=names, row=17, label="male", **more).to_dict()


def all_pictures() -> dict[str, str]:
    rng = np.random.default_rng(0)
    g = rng.random(300)
    y = (rng.random(300) < g) * 1.0
    held = {"held_out_loss": np.linspace(0.7, 0.3, 201), "held_out_accuracy": np.linspace(0.5, 0.8, 201)}
    return {
        "loss": curves.loss_curves(trace(**held), base_loss=0.69),
        "accuracy": curves.accuracy_curves(trace(**held), base_accuracy=0.52),
        "loss_by_reads": curves.loss_curves(
            newton(held_out_loss=np.linspace(0.7, 0.35, 6)), base_loss=0.69, by_reads=True
        ),
        "gap": curves.gap_curve(newton(), "Newton", True, 0.3, tol=1e-8),
        "odds": charts.odds_forest(NASTY, rng.normal(size=len(NASTY)), per_sd=[True, False] * 3),
        "probabilities": charts.probability_histogram(g, y, classes=(NASTY[0], NASTY[2])),
        "graph": row_graph(explanation()),
        "graph nasty": row_graph(
            explain_row(np.ones(6), 0.0, np.ones(6), 0.0, feature_names=NASTY, label=NASTY[0]).to_dict(), NARROW
        ),
        "loss_of_z": charts.loss_of_row(np.log(g / (1 - g)), y, classes=(NASTY[1], NASTY[4])),
        **study_pictures(),
    }


def study_pictures() -> dict[str, str]:
    """The studies' pictures, of plain and of nasty data."""
    rng = np.random.default_rng(0)
    points = (rng.normal(size=60), rng.normal(size=60), rng.integers(0, 2, 60), 5000)
    five = some_maps([((k / 3, -k / 2), 0.2 * k) for k in range(1, 6)], points, names=(NASTY[1], NASTY[2]))
    strange = [((1e300, -1e300), 0.0), ((np.nan, np.inf), 0.0), ((0.0, 0.0), 0.0)]
    e = np.arange(1001.0)
    runs = [a_run("as they are", e, 0.4 * np.exp(-e / 300), "about 1,800"),
            a_run("centred", e[:601], 0.4 * np.exp(-e[:601] / 100), "599"),
            a_run(NASTY[3] * 4, e[:70], 0.4 * np.exp(-e[:70] / 10), "69")]  # fmt: skip
    steady, noisy = 0.4 * np.exp(-e / 300), 0.01 * np.exp(rng.normal(size=1001))
    batches = [a_run("all rows", e, steady, level=steady), a_run("single rows", e, noisy, level=0.02 + 0 * e)]
    curves_of = [
        a_run("not centred", e, e, loss=0.1 + 0.59 * np.exp(-e / 50), held_out_accuracy=1 - 0.5 * np.exp(-e / 9)),
        a_run(NASTY[0], e, e, loss=e * np.nan, held_out_accuracy=e / 1001),
    ]
    return {
        "maps": maps.decision_maps([("one", five), ("two", five)], (NASTY[0], "b" * 40)),
        "maps strange": maps.decision_maps(
            [("", some_maps(strange, names=("x", "y" * 90), x_range=(5, 5), y_range=(1e5, 9e5), loss=np.nan))], ("0", "1")
        ),
        "rates": learning_rate_picture(rate_runs(), limit=2.2),
        "one rate": learning_rate_picture(rate_runs()[:1], limit=2.2),
        "scaling": scaling_picture(runs),
        "batches": batches_picture(batches, (1, 10_000)),
        "centering": centering_curves(curves_of, optimum=0.0625),
        "shares": gradient_shares(e, rng.random((1001, 9)), [*NASTY, "a", "b", "c" * 50]),
        "surface": surfaces([("", some_surface())]),
        "surfaces": surfaces([(NASTY[0], some_surface(exists=False)), ("", some_surface((-2.0, 3.0)))] * 2, width=1100),
    }  # fmt: skip


def some_maps(
    panels, points=None, *, names=("x", "y"), x_range=(-3.0, 3.0), y_range=(-3.0, 3.0), loss=0.25
) -> SimpleNamespace:
    """Maps of a run, as their picture needs them: panels of w and b; points: x, y, label, sampled from so many rows."""
    x, y, label, of = points or (np.zeros(0), np.zeros(0), np.zeros(0), 0)
    k = len(panels)
    return SimpleNamespace(
        names=names, epochs=np.arange(1, k + 1), w=np.array([w for w, _ in panels]), b=np.array([b for _, b in panels]),
        loss=np.full(k, loss), x=x, y=y, label=label, of=of, rows=of, x_range=x_range, y_range=y_range,
    )  # fmt: skip


SURFACE_AXES = Axis("0.8 {} − 0.6 {} + …", (NASTY[2], "W" * 79)), Axis("{}", ("b (bias)",))


def some_surface(start=(-3.0, -1.0), exists=True) -> SimpleNamespace:
    """A bowl, Newton's way to its middle, and one that swings and leaves float64."""
    x, y, e = np.linspace(-4, 1, 31), np.linspace(-1.5, 1.5, 19), np.arange(301)
    spiral = np.array(start) * np.exp(-e / 40)[:, None] * np.column_stack([np.ones(301), np.cos(e)])
    far, near = np.array([start, (9e9, 1e300), (0, 0)]), np.array([start, (-0.5, 0.1), (0, 0)])
    ways = [SimpleNamespace(label="gradient descent", epochs=e, at=spiral, is_newton=False),
            SimpleNamespace(label=NASTY[1] * 3, epochs=e[:3], at=far, is_newton=False),
            SimpleNamespace(label="Newton", epochs=e[:3], at=near, is_newton=True)]  # fmt: skip
    return SimpleNamespace(axes=SURFACE_AXES, x=x, y=y, F=0.25 + 0.01 * x**2 + 0.2 * y[:, None] ** 2,
                           best=np.zeros(2) if exists else None, lowest=0.25 * exists, ways=ways)  # fmt: skip


def a_run(label, epochs, gap, took="", rate=0.5, happened="converges", **more) -> SimpleNamespace:
    """A run of a study, as its pictures need it."""
    return SimpleNamespace(label=label, epochs=epochs, gap=gap, rate=rate, happened=happened, took=lambda: took, curves=more,
                           reached=None if took.startswith("not") else 1.0)  # fmt: skip


def rate_runs() -> list[SimpleNamespace]:
    """Rates that crawl, converge, oscillate, and leave float64."""
    e = np.arange(1001.0)
    fall = [(0.02, "crawls", 400.0, "≈ 2,300"), (0.2, "converges", 40.0, "221"), (2.0, "converges", 4.0, "22")]
    runs = [a_run(pretty(rate, 3), e, 0.25 * np.exp(-e / t), took, rate, what) for rate, what, t, took in fall]
    swing = np.where(e > 0, 0.06 + 0.03 * np.cos(np.pi * e), 0.25)
    runs.append(a_run("7", e, swing, "not in 1,000", 7.0, "oscillates"))
    return [*runs, a_run("9", e[:4], np.array([0.25, 3.0, 1e300, np.inf]), "not in 3", 9.0, "diverges")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (1.0, "1"), (-3.0, "−3"), (0.26064, "0.2606"), (-0.5, "−0.5000"), (12345.678, "12,346"),
        (999999.0, "999,999"), (1e6, "1.000 × 10⁶"), (-2.5e-9, "−2.500 × 10⁻⁹"), (0.00012345, "0.0001234"),
        (0.99999, "1.000"), (9.99999e-5, "0.0001000"), (float("inf"), "∞"), (float("-inf"), "−∞"), (None, "–"),
        (float("nan"), "–"),
    ],
)  # fmt: skip
def test_numbers_have_four_digits_and_a_true_minus(value, text):
    assert pretty(value) == text


def test_odds_go_where_float64_ends():
    assert odds(0.0) == "1"
    assert odds(np.log(2.5)) == "2.500"
    assert odds(1000.0) == "10^(434)"
    assert odds(-1e300) == "10^(−4.34 × 10²⁹⁹)"


def test_names_are_shortened_in_the_middle():
    assert shortened("short", 20) == "short"
    cut = shortened("bill_length_mm_of_the_bird=Gentoo", 20)
    assert "…" in cut
    assert cut.startswith("bill_len")
    assert cut.endswith("=Gentoo")
    assert cells(cut) <= 20
    assert cells(shortened("体" * 50, 20)) <= 20
    assert cells(shortened("name" * 100_000, 20)) <= 20


KINDS = [
    "loss", "accuracy", "loss_by_reads", "gap", "odds", "probabilities", "graph", "graph nasty", "loss_of_z", "maps",
    "maps strange", "rates", "one rate", "scaling", "batches", "centering", "shares", "surface", "surfaces",
]  # fmt: skip


@functools.cache
def pictures() -> dict[str, str]:
    """All of them, drawn once for all tests that look at them."""
    return all_pictures()


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_is_sound(kind):
    svg = pictures()[kind]
    root = parsed(svg)
    assert root.get("role") == "img"
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert root.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
    assert title.text
    assert re.search(r"\d", desc.text)
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    for reference in re.findall(r'(?:href="#|url\(#)([^")]+)', svg):
        assert reference in ids
    allowed = re.sub(r'xmlns(:xlink)?="http://www.w3.org/[^"]*"', "", svg)
    assert "http" not in allowed
    assert "<script" not in svg
    assert "<style" not in svg
    assert "metadata" not in svg
    light = {c for c, _ in style.PALETTE.values()}
    assert set(re.findall(r"(?:fill|stroke): ?(#\w+)", svg)) <= light, "every colour has its dark one"


def test_same_input_same_bytes_and_no_two_pictures_share_an_id():
    once, again = pictures(), all_pictures()
    assert once == again
    assert list(once) == KINDS  # all of them are looked at
    ids = re.findall(r' id="([^"]+)"', "".join(once.values()))
    assert len(ids) == len(set(ids))


def test_users_matplotlib_settings_neither_matter_nor_change():
    import matplotlib as mpl

    plain = charts.odds_forest(["a", "b"], [0.5, -1.0])
    with mpl.rc_context({"svg.fonttype": "path", "axes.grid": True, "lines.linewidth": 9, "font.size": 30}):
        assert charts.odds_forest(["a", "b"], [0.5, -1.0]) == plain
        assert mpl.rcParams["lines.linewidth"] == 9


def test_threads_draw_the_same():
    expected, got = curves.loss_curves(trace()), []
    threads = [threading.Thread(target=lambda: got.append(curves.loss_curves(trace()))) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert got == [expected] * 4


def test_matplotlib_loads_when_a_picture_is_drawn_and_pyplot_never():
    code = (
        "import sys, chainrule.documents.report, chainrule.studies, chainrule.cli.app, chainrule.charts.style\n"
        "assert 'matplotlib' not in sys.modules\n"
        "from chainrule.charts.charts import odds_forest; odds_forest(['a'], [1.0])\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_from_the_data_are_text_and_whole_in_a_tip():
    svg = charts.odds_forest(NASTY, np.arange(6.0))
    for name in NASTY:
        assert visible(name) in [t.text for t in parsed(svg).iter(f"{SVG}title")] or visible(name) in words(svg)
    assert "$x_" in words(svg)


def test_standalone_pictures_carry_the_dark_palette_and_inline_ones_the_page_s():
    svg = row_graph(explanation()).standalone()
    light, dark = style.PALETTE["ink"]
    assert f'[style*="fill: {light}"]{{fill:{dark}!important}}' in svg[svg.index("prefers-color-scheme:dark") :]
    inline = row_graph(explanation())
    css = style.palette_css()
    assert f"--ink:{light}" in css
    assert f"--ink:{dark}" in css[css.index("prefers-color-scheme:dark") :]
    used = set(re.findall(r"(?:fill|stroke): #\w+", inline))
    assert used
    for part in used:
        assert f':is(.cr,.cr *)[style*="{part}"]' in css


@pytest.mark.parametrize("kind", ["graph", "loss_of_z"])
def test_a_formula_needs_no_font_of_the_viewer(kind):
    root = parsed(pictures()[kind])
    assert any("STIX" in each.get("id", "") for each in root.iter(f"{SVG}path"))
    assert all(text.text and not len(text) for text in root.iter(f"{SVG}text"))  # no signs that have each a place


def test_no_two_roles_share_a_light_colour():
    assert len({light for light, _ in style.PALETTE.values()}) == len(style.PALETTE)


def contrast(a: str, b: str) -> float:
    def luminance(colour: str) -> float:
        channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", [0, 1])
@pytest.mark.parametrize(
    "role",
    ["ink", "muted", "one", "zero-text", "training", "held-out", "backward", *(f"ramp-{k}" for k in range(1, 8))],
)
def test_text_can_be_read_on_the_paper(role, mode):
    assert contrast(style.PALETTE[role][mode], style.PALETTE["paper"][mode]) >= 4.5


# ---- the curves ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [np.linspace(0.693147, 0.69314, 5), np.linspace(0.69, 0.3, 5), np.full(5, 0.6931472)])
def test_no_label_of_the_axis_is_cut_at_the_left(loss):
    t = SimpleNamespace(columns={"epoch": np.arange(5), "loss": loss})
    labels = [e for e in parsed(curves.loss_curves(t)).iter(f"{SVG}text") if css_of(e).get("text-anchor") == "end"]
    assert len(labels) >= 3
    for label in labels:
        assert float(label.get("x")) >= 7 * len(label.text)


def test_loss_curve_says_its_numbers():
    t = trace(held_out_loss=np.linspace(0.7, 0.3125, 201))
    says = description(curves.loss_curves(t, base_loss=0.6875))
    assert "training: 0.6900 at 0, 0.2500 at 200 (epoch), lowest 0.2500, highest 0.6900." in says
    assert "0.3125 at 200" in says
    assert "base rate alone 0.6875." in says
    assert "held out" in words(curves.loss_curves(t))
    assert "held out" not in words(curves.loss_curves(trace()))


def test_long_traces_are_thinned_and_no_swing_is_lost():
    loss = np.full(1_000_001, 0.5)
    loss[654_321], loss[123] = 0.9375, 0.125
    svg = curves.loss_curves(SimpleNamespace(columns={"epoch": np.arange(1_000_001), "loss": loss}))
    assert len(svg) < 120_000
    assert "lowest 0.1250, highest 0.9375" in description(svg)
    ax = parsed(svg)
    low, high = (axis_at(ax, value) for value in (0.125, 0.9375))
    heights = [float(y) for d in re.findall(r' d="([^"]*)"', svg) for y in re.findall(r"[ML] \S+ (\S+)", d)]
    assert min(abs(y - low) for y in heights) < 0.5
    assert min(abs(y - high) for y in heights) < 0.5


def axis_at(root: ET.Element, value: float) -> float:
    """Where a value stands on a linear axis with the labels 0.2 and 0.8."""
    at = {e.text: place_of(e)[1] for e in root.iter(f"{SVG}text")}
    return at["0.2"] - 4.4 + (value - 0.2) / 0.6 * (at["0.8"] - at["0.2"])


@pytest.mark.parametrize(
    "loss", [[0.7], [0.7, np.nan], [np.nan, np.inf], [0.7, 1e12, 1e300], [0.0, 0.0], [0.5, 0.5 + 1e-15]]
)
def test_curves_of_strange_traces_are_drawn(loss):
    t = SimpleNamespace(columns={"epoch": np.arange(len(loss)), "loss": np.array(loss)})
    svg = curves.loss_curves(t)
    parsed(svg)
    assert "nan" not in svg
    assert "inf" not in svg.replace("infin", "")
    if not np.isfinite(loss).any():
        assert "no finite value" in svg


def test_few_steps_are_drawn_over_the_reads_and_samples_are_said():
    svg = curves.loss_curves(newton(held_out_loss=np.linspace(0.7, 0.35, 6)), by_reads=True)
    says = description(svg)
    assert "training: 0.6900 at 0.0300, 0.3124 at 3.50 (reads of the data)" in says
    assert "○ on a sample of the rows" in says
    assert "on a sample of the rows" in words(svg)
    assert "reads of the data" in words(svg)
    # the held-out rows are all read at every step
    assert hollow_marks(svg) == 3
    all_rows = curves.loss_curves(newton(share=np.ones(6)), by_reads=True)
    assert "sample" not in words(all_rows)
    assert hollow_marks(all_rows) == 0


def hollow_marks(svg: str) -> int:
    return sum("fill: #ffffff" in use.get("style", "") for use in parsed(svg).iter(f"{SVG}use"))


def test_gap_curve_has_proven_bounds_of_all_rows_only():
    low = 0.3224 - 2e-7 - 2e-11
    svg = curves.gap_curve(newton(), "Newton", True, low, tol=1e-8)
    says = description(svg)
    # a sample's F is another function: the first that counts is after 1.5 reads, by the lower bound on F*
    assert "F − F* at most, nats. Newton (3.50 reads): 0.00010 at 1.50, 2.0 × 10⁻¹¹ at 3.50 (reads of the data)" in says
    assert "tol 1.0 × 10⁻⁸." in says
    assert "3.50 reads" in words(svg)
    proven_only = description(curves.gap_curve(newton(), "Newton", True, tol=1e-8))
    assert "3.0 × 10⁻⁷ at 2.50, 2.0 × 10⁻¹¹ at 3.50" in proven_only


def test_gap_curve_of_a_run_that_was_measured_by_another_counts_its_own_reads():
    k = 2000
    columns = {"reads": 9.0 + np.arange(k), "gap": 0.4 * 0.99 ** np.arange(k), "share": np.ones(k)}
    t = SimpleNamespace(columns={**columns, "objective": 0.3 + columns["gap"]})
    svg = curves.gap_curve(t, "gradient descent", False, tol=1e-8)
    assert "gradient descent (2,001 reads): 0.40 at 2, " in description(svg)
    assert len(svg) < 100_000


@pytest.mark.parametrize("gap", [np.full(6, np.inf), np.full(6, np.nan), np.zeros(6)])
def test_gap_curve_without_a_bound_says_so(gap):
    assert "Newton: no finite value." in description(curves.gap_curve(newton(gap=gap), "Newton", True, tol=1e-8))


@pytest.mark.parametrize("reads", [[1.0], [60.0, 61.0, 84.0], [0.001, 5.0], [1.0, 1e7], [0.0, 3.0], [2.0, 4.0]])
def test_reads_of_any_size_have_an_axis(reads):
    k = len(reads)
    columns = {"epoch": np.arange(k), "reads": np.array(reads), "share": np.ones(k), "loss": np.linspace(0.7, 0.3, k)}
    t = SimpleNamespace(columns=columns | {"gap": np.linspace(0.5, 1e-9, k), "objective": columns["loss"]})
    for svg in (curves.loss_curves(t, by_reads=True), curves.gap_curve(t, "Newton", True, tol=1e-8)):
        parsed(svg)
        assert "nan" not in svg


# ---- odds ratios --------------------------------------------------------------------------------------------------


def test_odds_are_written_in_the_order_given():
    log_odds = [*np.log([0.25, 8.0, 1.0]), np.nan, np.inf, -np.inf, [0.0, np.log(2.0)]]
    names = ["down", "up", "flat", "group", "all", "none", "several"]
    svg = charts.odds_forest(names, log_odds, per_sd=[True] + 6 * [False], inner=[False] * 4 + [True] * 2 + [False])
    assert description(svg) == "down: 0.2500; up: 8.000; flat: 1; group; all: ∞; none: 0; several: 1, 2."
    assert "Odds ratios of 5 features on" in svg
    text = words(svg)
    assert [text.index(name) for name in names] == sorted(text.index(name) for name in names)
    assert "per standard deviation" in text
    assert "per level" in text


def test_of_many_features_the_first_thirty_are_drawn():
    svg = charts.odds_forest([f"f{j}" for j in range(500)], np.linspace(-5, 4.99, 500), left_out=7)
    assert re.findall(r"\bf\d+\b", words(svg)) == [f"f{j}" for j in range(30)]
    assert "477 weaker features are not drawn" in words(svg)
    assert "477 weaker features are not drawn" in description(svg)


@pytest.mark.parametrize("w", [[], [0.0], [1e-9], [0.01, -0.02], [0.4], [3.0, -3.0], [np.nan, 1.0]])
def test_odds_of_any_size_have_an_axis_with_one(w):
    svg = charts.odds_forest([f"f{j}" for j in range(len(w))], w)
    assert "1" in words(svg).split()
    assert "inf" not in svg


# ---- probabilities ------------------------------------------------------------------------------------------------


def test_histogram_counts_every_row_once():
    g = np.array([0.01, 0.49, 0.5, 0.99, 1.0, 0.2])
    y = np.array([0.0, 1.0, 1.0, 1.0, 1.0, np.nan])
    says = description(charts.probability_histogram(g, y, classes=("no", "yes")))
    upper, lower = (", ".join("1" if k in ones else "0" for k in range(18)) for ones in ((9, 10), (0,)))
    assert f"4 rows of class yes (y = 1), 3 with g of at least 0.5; in 20 bins of g from 0 to 1: {upper}, 0, 2." in says
    assert f"1 row of class no (y = 0), 1 with g below 0.5; in 20 bins of g from 0 to 1: {lower}, 0, 0." in says


def test_a_million_rows_are_binned():
    rng = np.random.default_rng(0)
    g = rng.random(1_000_000)
    y = (rng.random(1_000_000) < g) * 1.0
    both = charts.probability_histogram(g, y), charts.loss_of_row(np.log(g / (1 - g)), y)
    assert all(len(svg) < 60_000 for svg in both)
    assert all(f"{int(y.sum()):,} rows" in description(svg) for svg in both)


@pytest.mark.parametrize("classes", [0.0, 1.0])
def test_one_class_alone_is_drawn(classes):
    y = np.full(5, classes)
    parsed(charts.probability_histogram(np.linspace(0, 1, 5), y))
    parsed(charts.loss_of_row(np.linspace(-5, 5, 5), y))


# ---- the graph ----------------------------------------------------------------------------------------------------


def test_graph_shows_every_number():
    e = explanation()
    svg = row_graph(e)
    text = words(svg)
    for key in ("b", "z", "g", "loss", "dL_dg", "dg_dz", "dL_db"):
        assert pretty(e[key]) in text, key
    for f in e["features"]:
        assert f["name"] in text
        for key in ("x", "w", "contribution", "dL_dw"):
            assert pretty(f[key]) in text, key
    for line in (e["chain"]["dL_dz"], e["chain"]["stable"], e["chain"]["dL_db"]):
        assert formula(line) in description(svg)
        assert formula(line.split(" = ", 2)[2]) in text
    assert "Row 17, y = 1 (male)" in text


def test_graph_of_an_unknown_class_ends_at_g():
    e = explanation(y=None)
    svg = row_graph(e)
    assert "y is unknown" in words(svg)
    assert pretty(e["g"]) in words(svg)
    assert "y unknown" in parsed(svg).find(f"{SVG}title").text
    assert "∂L" not in description(svg) + words(svg)


def test_saturated_row_shows_both_forms():
    e = explanation(x=(50.0, 0.0, 0.0), y=0.0, w=(2.0, 1.0, 1.0))
    assert e["g"] == 1.0
    says = description(row_graph(e))
    assert "∂L/∂z = ∂L/∂g · ∂g/∂z = 3.62858 × 10⁴³ · 2.7559 × 10⁻⁴⁴ = 1;" in says
    assert " = sigmoid(100.3) = 1;" in says
    beyond = row_graph(explanation(x=(400.0, 0.0, 0.0), y=0.0, w=(2.0, 1.0, 1.0)))
    assert "divides by zero" in words(beyond)
    assert "∂L/∂z = ∂L/∂g · ∂g/∂z = (1/0 − 0/1) · 1 · 0: divides by zero;" in description(beyond)
    assert "∂L/∂g divides by zero" in description(beyond)


def test_saturated_row_in_the_right_class_keeps_its_digits():
    e = explanation(x=(50.0, 0.0, 0.0), y=1.0, w=(2.0, 1.0, 1.0))
    assert e["g"] == 1.0
    assert e["stable"] == pytest.approx(-np.exp(-100.3), rel=1e-12)
    assert pretty(e["stable"]) in description(row_graph(e))


def test_of_many_features_the_strongest_and_the_sum_of_the_rest():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=40), rng.normal(size=40)
    e = explain_row(x, 1.0, w, 0.0, feature_names=[f"f{j}." for j in range(40)]).to_dict()
    text = words(row_graph(e))
    order = np.argsort(-np.abs(x * w))
    assert set(re.findall(r"f\d+\.", text)) == {f"f{j}." for j in order[:12]}
    assert "+ 28 more features" in text
    assert pretty(float(np.sum((x * w)[order[12:]]))) in text


def test_features_that_are_zero_are_folded_and_each_weight_s_derivative_is_multiplied_out():
    e = explain_row([2.0, 0.0, 0.0, -3.0], 1.0, [0.5, 7.0, 9.0, 0.25], 0.0, feature_names=list("abcd")).to_dict()
    text = words(row_graph(e))
    assert "+ 2 with x = 0" in text
    assert "w₂" not in text
    for f, sub in ((e["features"][0], "₁"), (e["features"][3], "₄")):
        x = f"({pretty(f['dz_dw'])})" if f["dz_dw"] < 0 else pretty(f["dz_dw"])
        assert f"∂L/∂w{sub} = {pretty(e['stable'])} · {x} = {pretty(f['dL_dw'])}" in text
    assert f"∂L/∂b = {pretty(e['stable'])} · 1 = {pretty(e['dL_db'])}" in text


def test_long_names_are_whole_in_the_tip():
    name = "a_very_long_name_of_a_column_that_never_ends_before_its_end"
    svg = row_graph(explain_row([1.0], 1.0, [1.0], 0.0, feature_names=[name]).to_dict())
    assert name in [t.text for t in parsed(svg).iter(f"{SVG}title")]
    assert any("…" in (t.text or "") or "…" in "".join(t.itertext()) for t in parsed(svg).iter(f"{SVG}text"))


ALIKE = [f"the_average_daily_concentration_of_dis_{k}_ved_organic_carbon_in_the_upper_layer_" for k in range(4)]


def test_names_keep_the_part_in_which_they_differ():
    short = shortened_apart([*ALIKE, "a", "b" * 20], 20)
    assert [short[name] for name in ALIKE] == [f"the_a…{k}_ved_…_layer_" for k in range(4)]
    assert short["a"] == "a"
    assert short["b" * 20] == "b" * 20
    tabs, spelled = shortened_apart(["\t", "\\t"]).values()
    assert (tabs, spelled) == ("\\t (1)", "\\t (2)")


@drawn
@given(st.lists(st.text("ab", min_size=30, max_size=90), unique=True, max_size=30), st.integers(15, 40))
def test_names_stay_different_and_fit(names, room):
    short = shortened_apart(names, room)
    assert len(set(short.values())) == len(names)
    assert all(cells(name) <= room for name in short.values())


def test_the_folded_node_says_what_it_sums():
    e = explain_row([2.0, 0.0, 0.0, -3.0], 1.0, [0.5, 7.0, 9.0, 0.25], 0.0, feature_names=list("abcd")).to_dict()
    for layout in (WIDE, NARROW):
        assert "+ 2 with x = 0: Σ = 0, sum of their xⱼwⱼ;" in description(row_graph(e, layout))


def test_the_narrow_layout_shows_the_same_numbers_as_the_wide_one():
    e = explanation(y=0.0)
    for part in ("title", "desc"):
        assert parsed(row_graph(e)).find(f"{SVG}{part}").text == parsed(row_graph(e, NARROW)).find(f"{SVG}{part}").text
    wide, narrow = (sorted(words(row_graph(e, layout)).split()) for layout in (WIDE, NARROW))
    assert [word for word in wide if word not in "→←↓↑"] == [word for word in narrow if word not in "→←↓↑"]


def test_value_in_the_tables_units_is_shown_beside_the_fits():
    e = explanation(x_user=np.array([42.5, -1.0, 0.0]))
    assert "value 42.50" in words(row_graph(e))


# ---- room ---------------------------------------------------------------------------------------------------------


def spans(svg: str) -> dict[str, tuple[float, float]]:
    """Left and right end of each text, a digit's width being 0.6 of its size in the widest of the page's fonts."""
    found = {}
    for text in plain_texts(svg):
        css, shown = css_of(text), text.text
        width = cells(shown) * 0.6 * float(css["font-size"].removesuffix("px"))
        at = float(text.get("x"))
        left = at - {"start": 0.0, "middle": width / 2, "end": width}[css.get("text-anchor", "start")]
        found[shown] = (left, left + width)
    return found


@pytest.mark.parametrize("w", [[155.0], [-2000.0, 3.0], [1e5], [700.0], [1e300, -1e300]])
def test_odds_have_room_for_their_values(w):
    svg = charts.odds_forest([f"f{j}" for j in range(len(w))], w)
    width = float(parsed(svg).get("width"))
    for log_odds in w:
        left, right = spans(svg)[odds(log_odds, 3)]
        assert right <= width
        assert left > 168


@pytest.mark.parametrize("label", ["yes", "a label of twenty-six signs", "W" * 30, "体" * 30])
def test_labels_of_the_histogram_stay_in_their_half(label):
    svg = charts.probability_histogram([0.2, 0.7], [0.0, 1.0], classes=(label, label))
    middle = 46 + (440 - 62) / 2
    found = spans(svg)
    (upper,) = (span for text, span in found.items() if text.endswith(" (y = 1)"))
    (lower,) = (span for text, span in found.items() if text.endswith(" (y = 0)"))
    assert upper[1] < middle < lower[0]


def test_one_feature_is_singular():
    assert "Odds ratios of 1 feature on" in charts.odds_forest(["a"], [1.0])
    assert "1 weaker feature is not drawn" in words(charts.odds_forest("ab" * 15 + "c", np.linspace(1, 2, 31)))


# ---- how well a model predicts ------------------------------------------------------------------------------------


def some_quality(m=300, base=-0.5, threshold=0.4):
    rng = np.random.default_rng(m)
    z = rng.normal(base, 1.5, m)
    y = (rng.random(m) < 1 / (1 + np.exp(-z))) * 1.0
    return plain(quality(z, y, None, threshold) | {name: figures(z, y)[name] for name in ("auc", "base_rate")})


def test_curves_tell_their_figures():
    parts = {"training": some_quality(), NASTY[0]: some_quality(90)}
    for draw, title in ((roc_picture, "ROC curve"), (precision_recall_picture, "Precision over recall")):
        svg = draw(parts)
        assert title in parsed(svg).find(f"{SVG}title").text
        assert "at the threshold 0.4" in words(svg)
        for name, part in parts.items():
            assert visible(name) in description(svg)
            assert f"recall {pretty(part['decisions']['recall'], 3)}" in description(svg)
    assert f"AUC {pretty(parts['training']['auc'], 3)}" in words(roc_picture(parts))
    assert f"average {pretty(parts['training']['average_precision'], 3)}" in " ".join(
        words(precision_recall_picture(parts)).split()
    )


def test_calibration_tells_each_bin_and_fits_rare_classes():
    part = some_quality(2000, base=-4.0)
    svg = calibration_picture({"training": part["calibration"]}, NASTY[1])
    assert NASTY[1] in description(svg) or visible(NASTY[1]) in words(svg)
    for of in part["calibration"]:
        interval = f"{pretty(of['observed'], 3)} ({pretty(of['low'], 3)} to {pretty(of['high'], 3)})"
        assert f"{pretty(of['predicted'], 3)}: {interval}" in description(svg)
    assert "0.75" not in words(svg).split()  # the axis ends where the bins do


def test_one_class_has_no_curve_and_no_error():
    of = plain(quality(np.array([0.5, 1.0]), np.zeros(2)) | {"auc": None, "base_rate": 0.0})
    for draw in (roc_picture, precision_recall_picture):
        parsed(draw({"held out": of}))
    parsed(calibration_picture({"held out": of["calibration"]}))


def test_their_colours_are_of_the_palette():  # so that dark mode finds each
    parts = {"training": some_quality()}
    palette = {pair[0] for pair in style.PALETTE.values()} | {"none"}
    for svg in (
        roc_picture(parts),
        precision_recall_picture(parts),
        calibration_picture({"a": parts["training"]["calibration"]}),
    ):
        assert set(re.findall(r"(?:fill|stroke): (#\w{6}|none)", svg)) <= palette
