import dataclasses
import re
import time
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest

from chainrule.certificate import Certificate, digits_of
from chainrule.charts.text import clean, number
from chainrule.documents.report import ARTICLE, Coefficients, Learning, Part, ReportInputs, render_report
from chainrule.errors import InputError
from chainrule.explain import explain_row
from chainrule.solvers.trace import Trace

SCRIPT = "<script>alert(1)</script>"
NAMES = (SCRIPT, "100% $x_1^2$ \\frac{1}{2}", "体重 العمر", "species=A&B \"q\" 'q'")
VOID = {"meta", "link", "br", "hr", "img", "input", "col", "wbr", "source", "mspace"}


class Page(HTMLParser):
    """A page's elements, ids, texts; raises where tags don't nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.headings: list[str] = []
        self.feed(html)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} has an attribute twice"
        self.elements.append((tag, dict(attrs)))
        if tag == "h2":
            self.headings.append("")
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if "style" not in self.stack:
            self.text += data
        if "h2" in self.stack:
            self.headings[-1] += data


def make(seed: int = 0, names=NAMES, m: int = 60, held_out: bool = True, y: float | None = 1.0) -> ReportInputs:
    rng = np.random.default_rng(seed)
    n = len(names)
    w_fit, scale = rng.normal(size=n), np.where(np.arange(n) % 2 == 0, 2.5, 1.0)
    z = rng.normal(size=m) * 2
    labels = (rng.random(m) < 1 / (1 + np.exp(-z))) * 1.0
    metrics = {
        "rows": m, "loss": 0.4375, "accuracy": 0.8125, "auc": 0.90625, "base_rate": 0.53125, "base_loss": 0.69115,
        "base_accuracy": 0.53125,
    }  # fmt: skip
    k = 40
    columns = {"epoch": np.arange(k), "loss": np.linspace(0.69, 0.44, k), "accuracy": np.linspace(0.5, 0.8125, k)}
    if held_out:
        columns |= {"held_out_loss": np.linspace(0.7, 0.5, k), "held_out_accuracy": np.linspace(0.5, 0.75, k)}
    explanation = explain_row(
        rng.normal(size=n), y, w_fit, 0.25, feature_names=names, row=23, epoch=39, label=SCRIPT, sum_weights=m,
        center=np.full(n, 7.0), scale=scale,
    )  # fmt: skip
    return ReportInputs(
        title=f"A title with {SCRIPT}",
        result={
            "objective_line": f"F(w, b) = (1/{m}) sum l(z, y)", "message": "stopped after 39 epochs", "n_rows": m,
            "n_epochs": 39, "objective": 0.4375, "grad_norm": 1e-3, "alpha": 0.0, "learning_rate": 0.5,
            "learning_rate_limit": 1.25, "warnings": ["a warning, said once"],
        },
        trace=Trace(columns=columns, w=np.zeros((k, n)), b=np.zeros(k), note="every epoch was kept"),
        coefficients=Coefficients(names, w_fit / scale, 0.125, w_fit, scale),
        training=Part(metrics, z, labels),
        held_out=Part({**metrics, "rows": 20, "accuracy": 0.75}, z[:20], labels[:20]) if held_out else None,
        schema={"target": "out<b>come", "negative": SCRIPT, "positive": "yes & $no_1$"},
        explanation=explanation.to_dict(),
        predictions=[{"row": 3, "probability": 0.6875, "class": SCRIPT}, {"row": 1234, "probability": 1.0, "class": "x"}],
        notes=["a warning, said once", "a note & more"],
        sources=("Data: somebody <some@where>",),
    )  # fmt: skip


INPUTS = make()
HTML = render_report(INPUTS)
PAGE = Page(HTML)


def test_same_inputs_same_page():
    assert render_report(make()) == HTML


def test_page_is_one_file_that_leads_nowhere():
    assert not re.search(r"https?:|//[a-z]", re.sub(r'xmlns(:xlink)?="http://www\.w3\.org/[^"]*"', "", HTML))
    for tag, attrs in PAGE.elements:
        assert tag not in {"script", "link", "a", "iframe", "img", "object", "embed", "form", "base"}
        assert not any(name.startswith("on") for name in attrs), "no event handlers"
        for name in ("href", "src", "xlink:href"):
            assert (attrs.get(name) or "#").startswith("#")
    assert "@import" not in HTML
    assert "url(" not in HTML.replace("url(#", "")
    assert "default-src 'none'" in HTML


def test_ids_are_unique_and_references_resolve():
    ids = [a["id"] for _, a in PAGE.elements if "id" in a]
    assert len(ids) > 20
    assert len(ids) == len(set(ids))
    references = re.findall(r'(?:href="#|url\(#)([^")]+)', HTML)
    labelled = [i for _, a in PAGE.elements for i in (a.get("aria-labelledby") or "").split()]
    assert set(references) | set(labelled) <= set(ids)


def test_every_picture_is_well_formed():
    pictures = re.findall(r"<svg.*?</svg>", HTML, flags=re.S)
    assert len(pictures) == 9, "loss, accuracy, graph wide and narrow, odds, two histograms, loss of g and of z"
    for svg in pictures:
        ET.fromstring(svg)


def test_mathematics_is_well_formed():
    formulas = re.findall(r"<math.*?</math>", HTML, flags=re.S)
    assert len(formulas) == 6
    for formula in formulas:
        ET.fromstring(formula)


def test_names_from_the_data_are_text_everywhere():
    assert "<script" not in HTML
    for name in NAMES:
        assert clean(name) in PAGE.text
    assert f"A title with {SCRIPT}" in PAGE.text
    assert "out<b>come" in PAGE.text
    assert "yes & $no_1$" in PAGE.text
    assert "somebody <some@where>" in PAGE.text


def test_order_of_the_contents():
    assert PAGE.headings == [
        "The fit", "How it learned", "How well it predicts", "One row, forward and back", "The coefficients",
        "The probabilities", "Predictions", "Notes", "What the numbers mean", "Sources",
    ]  # fmt: skip


def test_result_sentence_and_objective():
    assert "right on 75.0% of 20 held-out rows" in PAGE.text
    assert "After 39 epochs" in PAGE.text
    assert "F(w, b) = (1/60) sum l(z, y)" in PAGE.text
    assert "right on 81.2% of 60 training rows" in Page(render_report(make(held_out=False))).text


def test_learning_rate_against_its_limit():
    assert "below the limit" in PAGE.text
    fill = float(re.search(r'class="fill" style="width:([\d.]+)%"', HTML)[1])
    mark = float(re.search(r'class="mark" style="left:([\d.]+)%"', HTML)[1])
    assert fill / mark == pytest.approx(0.5 / 1.25, rel=1e-3)
    above = render_report(dataclasses.replace(INPUTS, result={**INPUTS.result, "learning_rate": 2.0}))
    assert "above the limit" in Page(above).text
    assert "below the limit" not in Page(above).text


def test_coefficients_with_their_odds_ratios():
    c = INPUTS.coefficients
    for w, scale in zip(c.w, c.scale, strict=True):
        assert number(float(w)) in PAGE.text
        assert number(float(np.exp(w))) in PAGE.text
        if scale != 1:
            assert number(float(np.exp(w * scale))) in PAGE.text


def test_ledger_has_every_number_of_the_row():
    e = INPUTS.explanation
    for f in e["features"]:
        for key in ("x", "x_user", "w", "contribution", "dL_dw"):
            assert number(f[key]) in PAGE.text, key
        assert number(f["share"], 3) in PAGE.text
    for key in ("z", "g", "loss", "dL_dg", "dg_dz", "dL_dz", "dL_db"):
        assert number(e[key]) in PAGE.text, key


def test_notes_are_said_once():
    assert PAGE.text.count("a warning, said once") == 1
    assert "a note & more" in PAGE.text
    assert "every epoch was kept" in PAGE.text
    assert ARTICLE in PAGE.text


def test_predictions():
    assert "0.6875" in PAGE.text
    assert "1,234" in PAGE.text
    none = Page(render_report(dataclasses.replace(INPUTS, predictions=())))
    assert "Predictions" not in none.headings
    many = [{"row": k, "probability": 0.5, "class": "a"} for k in range(1, 2001)]
    assert "1,500 more rows" in Page(render_report(dataclasses.replace(INPUTS, predictions=many))).text


@pytest.mark.parametrize(("rate", "zero"), [(0.5, True), (2.0, True), (30.0, False), (1e6, False)])
def test_labels_below_the_bar_do_not_touch(rate, zero):
    html = render_report(dataclasses.replace(INPUTS, result={**INPUTS.result, "learning_rate": rate}))
    scale = re.search(r'<p class="scale".*?</p>', html)[0]
    assert ("<span>0</span>" in scale) == zero
    assert scale.count(">limit<") == 1


def test_where_the_row_is_from():
    e = dict(INPUTS.explanation)
    for more, sentence in (
        ({"part": "training"}, "It is one of the training rows."),
        (
            {"part": "training", "closest": True},
            "It is the training row that the model gets right by the smallest margin.",
        ),
        ({"part": "held out"}, "It was held out of training."),
    ):
        page = Page(render_report(dataclasses.replace(INPUTS, explanation={**e, **more})))
        assert sentence in page.text
        assert ("held out, it adds nothing" in page.text) == (more["part"] == "held out")


def test_saturated_slope_has_two_factors_that_multiply_to_it():
    e = explain_row([54.4], 1.0, [1.0], 0.0, feature_names=["a"]).to_dict()
    html = render_report(dataclasses.replace(INPUTS, explanation=e))
    step = next(
        row for row in html.split("<tr>") if "<mi>g</mi></mrow><mrow><mi" in row and f">{number(e['dg_dz'])}<" in row
    )
    assert f"<mn>1</mn><mo>·</mo><mn>{number(1 / (1 + np.exp(54.4)))}</mn>" in step


def test_row_of_unknown_class_has_no_derivatives():
    page = Page(render_report(make(y=None)))
    assert "the graph ends at g" in page.text
    assert "The chain rule" not in page.text
    assert "dL_dw" not in page.text[: page.text.index("What the numbers mean")]


def test_saturated_row_shows_both_forms():
    e = explain_row([40.0], 0.0, [3.0], 0.0, feature_names=["a"]).to_dict()
    page = Page(render_report(dataclasses.replace(INPUTS, explanation=e)))
    assert "divides by zero, since g has rounded to 1" in page.text
    assert "(stable form)" in page.text


def test_least_report():
    c = INPUTS.coefficients
    least = ReportInputs("t", {}, Trace({"epoch": np.array([0]), "loss": np.array([np.nan])}, np.zeros((1, 4)), np.zeros(1)),
                         c, Part({}, [0.0], [1.0]))  # fmt: skip
    page = Page(render_report(least))
    assert "One row, forward and back" not in page.headings
    assert "Notes" not in page.headings


def test_five_hundred_features_and_many_rows():
    names = [f"feature_{j:03d}" for j in range(500)]
    inputs = make(names=names, m=200_000)
    start = time.perf_counter()
    html = render_report(inputs)
    assert time.perf_counter() - start < 15
    assert len(html) < 1_000_000
    page = Page(html)
    assert "300 weaker ones are not listed" in page.text
    assert "440 more features" in page.text
    strongest = int(np.argmax(np.abs(inputs.coefficients.w_fit)))
    assert names[strongest] in page.text


def test_lengths_that_differ_are_named():
    with pytest.raises(InputError, match="as many names"):
        render_report(dataclasses.replace(INPUTS, coefficients=Coefficients(["a"], [1.0, 2.0], 0.0, [1.0], [1.0])))
    with pytest.raises(InputError, match="training rows have 2 z and 1 y"):
        render_report(dataclasses.replace(INPUTS, training=Part({}, [1.0, 2.0], [1.0])))


def test_style_serves_dark_print_and_phone():
    css = HTML[HTML.index("<style>") : HTML.index("</style>")]
    assert "prefers-color-scheme:dark" in css
    assert "@media print" in css
    assert "max-width: 560px" in css
    assert 'name="viewport"' in HTML
    used = set(re.findall(r"var\(--([a-z-]+)\)", css))
    assert used <= set(re.findall(r"--([a-z-]+):", css))


def certificate(**more):
    w = np.array([0.5, -2.0, 0.125, 3.0])
    coef = np.array([1e-6, 1e-5, 1e-7, 1e-4])
    known = {
        "kind": "bound", "gap": 7.81e-9, "lower": 7.72e-9, "coef": coef, "intercept": 1e-5, "digits": digits_of(w, coef),
        "r": 4.57e-5, "noise": 9e-27, "hessian_rows": "25 % of the rows", "reads": 4.6, "seconds": 0.25,
        "objective": 0.4375, "optimum_at_least": 0.4375 - 7.82e-9, "reason": "",
    }  # fmt: skip
    return Certificate(**{**known, **more}).to_dict()


def certified(**more):
    """A page of Newton's method."""
    inputs = make()
    k = 4
    columns = {
        "epoch": np.arange(k), "reads": np.array([0.2, 1.5, 2.5, 4.6]), "share": np.array([0.25, 1, 1, 1]),
        "loss": np.linspace(0.69, 0.44, k), "objective": np.linspace(0.69, 0.4375, k),
        "accuracy": np.linspace(0.5, 0.8, k), "gap": np.array([np.inf, np.inf, 1e-4, 7.8e-9]),
    }  # fmt: skip
    result = {**inputs.result, "method": "newton", "n_epochs": 3, "reads": 4.6, "seconds": 0.25, "tol": 1e-8,
              "learning_rate": None, "learning_rate_limit": None, "loss": 0.43, "certificate": certificate(**more)}  # fmt: skip
    return dataclasses.replace(
        inputs,
        result=result,
        trace=Trace(columns=columns, w=np.zeros((k, 4)), b=np.zeros(k)),
        coefficients=dataclasses.replace(inputs.coefficients, digits=[5, 5, 5, 4], b_digits=3),
    )


def test_certificate_is_a_sentence_with_its_numbers():
    page = Page(render_report(certified()))
    text = " ".join(page.text.split())
    assert "How near the optimum it is" in page.headings
    # each bound is rounded to its own side
    assert "at most 7.9 × 10⁻⁹ nats above its optimum, and at least 7.7 × 10⁻⁹." in text
    assert "number r is 4.6 × 10⁻⁵" in text
    assert "25 % of the rows" in text
    assert "After 3 steps of Newton’s method" in text
    assert "Learning rate" not in text
    assert "digitsproven" in page.text
    low, high = (float(word) for word in re.search(r"lies between ?([\d.]+) and ([\d.]+)\.", text).groups())
    assert low <= 0.4375 - 7.82e-9 <= 0.4375 <= high
    assert high - low < 1e-8
    assert "F − F* at most, nats." in text


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"kind": "ridge", "reason": "x separates"}, "of 1e-8 on standardised columns; the one asked for has no optimum."),
        ({"kind": "ridge", "infimum_gap": 3.21e-4}, "it is at most 0.00033 above its infimum."),
        ({"kind": "reduced", "reason": "a + b = c"}, "collinear directions: a + b = c. Drop a column of each relation"),
        ({"kind": "none", "gap": np.inf, "lower": 0.0, "reason": "too far"}, "is not proven. Nothing is proven: too far."),
        ({"kind": "infimum", "reason": "no end", "lower": 0.0}, "nats above its infimum. This is proven; "),
    ],
)  # fmt: skip
def test_what_a_certificate_holds_for_and_why_is_said(more, says):
    text = " ".join(Page(render_report(certified(**more))).text.split())
    assert says in text
    assert "This is a proof" not in text


def test_learning_curves_are_gradient_descents_where_it_came_to_the_same_optimum():
    inputs = certified()
    descent = dataclasses.replace(
        make(), result={**make().result, "certificate": certificate(gap=9e-9), "method": "gradient-descent"}
    )
    more = {"objective": np.linspace(0.7, 0.44, 40), "gap": np.geomspace(0.3, 9e-9, 40)}
    columns = {**descent.trace.columns, **more, "reads": np.arange(40.0) + 6, "share": np.ones(40)}
    trace = dataclasses.replace(descent.trace, columns=columns)
    html = render_report(dataclasses.replace(inputs, learning=Learning(descent.result, trace)))
    text = " ".join(Page(html).text.split())
    assert "The same objective by gradient descent" in text
    assert "Learning rate 0.5000" in text
    assert "optimum 0.4300." in text  # the loss there, a level of the loss curves
    assert "gradient descent (41 reads): 0.26 at 2, " in text
    assert "Log-loss over the epochs" in text


def test_without_a_certificate_nothing_is_said_of_it():
    assert "How near the optimum it is" not in PAGE.headings
    assert "proven" not in PAGE.text


@pytest.mark.parametrize("kind", ["ridge", "infimum"])
def test_a_page_without_an_optimum_begins_with_the_cause_and_the_way_out(kind):
    reason = "the classes are separated: x above 3 is yes; use --alpha > 0, or drop the column"
    inputs = certified(kind=kind, reason=f"{reason}.", lower=0.0)
    message = f"the objective asked for has no optimum: {reason}" if kind == "ridge" else "stopped after 3 epochs"
    result = {**inputs.result, "message": message, "warnings": [f"{reason}.", "another"]}
    html = render_report(dataclasses.replace(inputs, result=result, notes=()))
    text = " ".join(Page(html).text.split())
    assert text.lower().count(reason) == 1
    assert text.lower().index(reason) < text.index("is right on")
    assert re.search(r'<p class="lead cause">(?:The objective asked for has no optimum: the|The) classes', html)
    assert html.count('class="lead"') == 1  # the certificate's
    assert ("With a ridge of 1e-8 on the standardised columns the objective" in text) == (kind == "ridge")
    assert "another" in text


def test_reads_before_the_first_step_and_after_the_last_have_a_word():
    inputs = certified(kind="ridge", reason="x separates")
    columns = {**inputs.trace.columns, "reads": np.array([24.0, 25, 26, 27])}
    words = "The first 23 were spent on finding out that there is no optimum."
    late = dataclasses.replace(
        inputs, trace=dataclasses.replace(inputs.trace, columns=columns), result={**inputs.result, "reads": 29.0}
    )
    assert f"{words} The proof took 2 more at the end." in Page(render_report(late)).text
    text = Page(render_report(inputs)).text
    assert "were spent" not in text
    assert "more at the end" not in text


def test_a_wide_interval_of_the_optimum_is_not_shown():
    page = Page(render_report(certified(gap=0.13, lower=0.12, optimum_at_least=0.3)))
    assert "at most 0.13 nats above its optimum, and at least 0.12" in page.text
    assert "lies between" not in page.text
