import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest

from chainrule.certificate import Certificate, digits_of
from chainrule.data.variables import Facts, variables
from chainrule.documents.html import as_html
from chainrule.documents.report import ARTICLE, report
from chainrule.documents.terminal import as_text
from chainrule.errors import InputError
from chainrule.explain import explain_row
from chainrule.findings import Finding
from chainrule.fitting.metrics import quality
from chainrule.fitting.verdict import WARNED
from chainrule.solvers.trace import Trace
from chainrule.words import NAME, number, plain, shortened, typeset, visible

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


def make(seed: int = 0, names=NAMES, m: int = 60, held_out: bool = True, y: float | None = 1.0):
    """A document of a fit, its trace, and log-odds and classes of its rows."""
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
    loss = np.linspace(0.69, 0.44, k)
    columns = {
        "epoch": np.arange(k), "reads": np.arange(1.0, k + 1), "share": np.ones(k), "loss": loss, "objective": loss,
        "accuracy": np.linspace(0.5, 0.8125, k), "gap": np.full(k, np.inf),
    }  # fmt: skip
    if held_out:
        columns |= {"held_out_loss": np.linspace(0.7, 0.5, k), "held_out_accuracy": np.linspace(0.5, 0.75, k)}
    x = rng.normal(size=n)
    explanation = explain_row(
        x, y, w_fit, 0.25, feature_names=names, row=23, epoch=39, label=SCRIPT, sum_weights=m,
        x_user=x * scale + 7.0,
    )  # fmt: skip
    w = w_fit / scale
    sd = np.where(scale == 1, np.nan, scale)
    facts = Facts(0.0 * w, np.where(np.isnan(sd), 0.5, sd), None, m)
    document = {
        "table": "a & b.csv", "target": "out<b>come", "negative": SCRIPT, "positive": "yes & $no_1$",
        "rows": {"training": m, "held_out": 20 if held_out else 0, "set_aside": 0},
        "result": {
            "objective_line": f"F(w, b) = (1/{m}) sum l(z, y)", "ended": "stopped after 39 epochs", "reason": "max_reads",
            "verdict": "Warning: stopped after 39 epochs", "relations": [], "n_epochs": 39,
            "findings": [{"code": "stopped"}, {"code": "crawling"}],
            "n_rows": m, "missing": [], "n_dropped": 0,
            "objective": 0.4375, "loss": 0.4375, "grad_norm": 1e-3, "alpha": 0.0, "learning_rate": 0.5,
            "learning_rate_limit": 1.25, "warnings": ["a warning, said once"], "method": "gradient-descent",
            "method_reason": "asked for", "batch_size": None, "schedule": None, "seconds": 0.25, "reads": 40.0, "tol": 1e-8,
            "certificate": certificate(kind="none", gap=np.inf, lower=0.0),
        },
        "training": metrics,
        "held_out": {**metrics, "rows": 20, "accuracy": 0.75} if held_out else None,
        "intercept": {"b": 0.125, "digits": 3},
        "coefficients": [
            {"name": name, "w": float(w[j]), "odds_ratio": float(np.exp(w[j])), "digits": 5, "error": 1e-6,
             "sd": None if np.isnan(sd[j]) else float(sd[j]),
             "odds_ratio_sd": None if np.isnan(sd[j]) else float(np.exp(w[j] * sd[j]))}
            for j, name in enumerate(names)
        ],
        "threshold": {"by": "cost", "threshold": 0.25, "costs": [1.0, 3.0]},
        "quality": {
            "training": plain(quality(z, labels, None, 0.25, (1.0, 3.0))),
            "held_out": plain(quality(z[:20], labels[:20], None, 0.25, (1.0, 3.0))) if held_out else None,
        },
        "variables": [plain(each) for each in variables(None, names, w, facts)],
        "explanation": explanation.to_dict(),
        "predictions": [{"row": 3, "probability": 0.6875, "class": SCRIPT}, {"row": 1234, "probability": 1.0, "class": "x"}],
        "notes": ["a warning, said once", "a note & more"],
    }  # fmt: skip
    trace = Trace(columns=columns, w=np.zeros((k, n)), b=np.zeros(k), note="every epoch was kept")
    return document, (trace, [(z, labels), (z[:20], labels[:20])][: 1 + held_out])


def certificate(**more):
    w = np.array([0.5, -2.0, 0.125, 3.0])
    coef = np.array([1e-6, 1e-5, 1e-7, 1e-4])
    known = {
        "kind": "bound", "gap": 7.81e-9, "lower": 7.72e-9, "coef": coef, "intercept": 1e-5, "digits": digits_of(w, coef),
        "r": 4.57e-5, "noise": 9e-27, "hessian_rows": "25 % of the rows", "reads": 4.6, "seconds": 0.25,
        "objective": 0.4375, "optimum_at_least": 0.4375 - 7.82e-9,
    }  # fmt: skip
    return Certificate(**{**known, **more}).to_dict()


def page_of(document=None, drawn=None, **result):
    """A page, of the common document where none is given, with other entries of its result."""
    document = DOCUMENT if document is None else document
    document = {**document, "result": {**document["result"], **result}}
    return as_html(report(document, *(drawn or DRAWN)), f"A title with {SCRIPT}")


def said(document, drawn=None, **result):
    """The same story in a terminal, which draws nothing."""
    blocks = report({**document, "result": {**document["result"], **result}}, *(drawn or DRAWN))
    return " ".join(as_text(blocks, width=1000).split())


DOCUMENT, DRAWN = make()


@pytest.fixture(scope="module")
def html():
    return page_of()


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_same_inputs_same_page(html):
    assert page_of(*make()) == html


def test_page_is_one_file_that_leads_nowhere(html, page):
    assert not re.search(r"https?:|//[a-z]", re.sub(r'xmlns(:xlink)?="http://www\.w3\.org/[^"]*"', "", html))
    for tag, attrs in page.elements:
        assert tag not in {"script", "link", "a", "iframe", "img", "object", "embed", "form", "base"}
        assert not any(name.startswith("on") for name in attrs), "no event handlers"
        for name in ("href", "src", "xlink:href"):
            assert (attrs.get(name) or "#").startswith("#")
    assert "@import" not in html
    assert "url(" not in html.replace("url(#", "")
    assert "default-src 'none'" in html


def test_ids_are_unique_and_references_resolve(html, page):
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) > 20
    assert len(ids) == len(set(ids))
    references = re.findall(r'(?:href="#|url\(#)([^")]+)', html)
    labelled = [i for _, a in page.elements for i in (a.get("aria-labelledby") or "").split()]
    assert set(references) | set(labelled) <= set(ids)


def test_every_picture_is_well_formed(html):
    pictures = re.findall(r"<svg.*?</svg>", html, flags=re.S)
    assert len(pictures) == 11, (
        "loss, accuracy, ROC, precision, calibration, two of the graph, odds, two histograms, loss of z"
    )
    for svg in pictures:
        ET.fromstring(svg)


def test_mathematics_is_written_with_its_own_signs(html):
    formulas = re.findall(r'<div class="formula">(.*?)</div>', html, flags=re.S)
    assert len(formulas) == 8, "g, L, dL/dg, dg/dz, dL/dz twice, dL/dw, dL/db"
    assert not [formula for formula in formulas if re.search(r"\bd[Lgz]|-\d|w_\d", formula)]
    assert any("∂L/∂z = ∂L/∂g · ∂g/∂z = " in formula for formula in formulas)


def test_names_from_the_data_are_text_everywhere(html, page):
    assert "<script" not in html
    for name in NAMES:
        assert visible(name) in page.text
    assert f"A title with {SCRIPT}" in page.text
    assert "out<b>come" in page.text
    assert "yes & $no_1$" in page.text


def test_what_reverses_or_ends_a_line_is_spelled():
    names = ("a\u202eb", "c\u2066d", "e\u2028f", "g\x1b[31mh", "i\ud800j", "k\nl")
    page = page_of(*make(names=names))
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u2028\u2029\x1b\ud800-\udfff]", page)
    text = Page(page).text
    for name in names:
        assert repr(name)[1:-1] in text


def test_a_name_of_thousands_of_signs_is_shortened():
    name = "x" * 4000
    assert len(shortened(name)) == NAME
    page = Page(page_of(*make(names=(name, "x"))))
    assert shortened(name) in page.text


def test_order_of_the_contents(page):
    figures = ["How well it predicts", "Coefficients: log-odds of yes & $no_1$", "The probabilities", "Predictions"]
    row = f"Row 23 (out<b>come is {SCRIPT}, y = 1) after epoch 39"
    ends = ["Notes", "What the numbers mean", "Sources"]
    assert page.headings == [*figures, "The fit", "How it learned", row, *ends]
    learner = Page(as_html(report(DOCUMENT, *DRAWN, reader="learner"), "A title"))
    why = ["Why it is so: the derivation", "Exercises"]
    assert learner.headings == [row, *why, "How it learned", "The fit", *figures, *ends]
    with pytest.raises(InputError, match="reader must be analyst or learner, not 'me'"):
        report(DOCUMENT, *DRAWN, reader="me")


def test_the_certificate_is_one_sentence_and_its_details_are_folded_at_the_end():
    html = page_of(*certified())
    before, details = html.split("<details>")
    assert before.index("The fit") < before.index("nats: this is proven, rounding included")
    assert "proven, rounding included: there is exactly one optimum" in details.lower()
    assert "Distance to the optimum" in details
    assert "left by rounding" not in before
    assert details.index("</details>") < details.index("Sources")


def test_result_sentence_and_objective(page):
    assert "right on 75.0% of 20 held-out rows" in page.text
    assert "After 39 epochs" in page.text
    assert "F(w, b) = (1/60) sum l(z, y)" in page.text
    assert "right on 81.2% of 60 training rows" in said(*make(held_out=False))


def test_learning_rate_against_its_limit(page):
    assert "0.5000, the largest stable one is 1.250" in page.text
    assert "above it the loss may rise" not in page.text
    assert "2, the largest stable one is 1.250: above it the loss may rise" in said(DOCUMENT, learning_rate=2.0)


def test_coefficients_with_their_odds_ratios(page):
    for entry in DOCUMENT["coefficients"]:
        for key in ("w", "odds_ratio", "odds_ratio_sd"):
            if entry[key] is not None:
                assert typeset(number(entry[key])) in page.text


def test_the_tables_of_the_row_have_every_number(page):
    e = DOCUMENT["explanation"]
    for f in e["features"]:
        for key in ("x", "w", "contribution", "dL_dw"):
            assert typeset(number(f[key])) in page.text, key
        assert f"{f['x_user']:.6g}".replace("-", "−") in page.text
        assert typeset(f"{f['share']:.2e}").replace(" ", "\N{NO-BREAK SPACE}") in page.text
    for key in ("z", "g", "loss", "dL_dg", "dg_dz", "dL_dz", "dL_db"):
        assert f"{e[key]:.6g}".lstrip("-") in page.text, key


def test_decisions_at_the_threshold_on_both_parts(page):
    assert (
        "above 0.25, where both mistakes cost the same on average: 1 a false positive, 3 a false negative." in page.text
    )
    for name in ("training", "held_out"):
        told = DOCUMENT["quality"][name]["decisions"]
        assert f"{100 * told['recall']:.1f}%" in page.text
        assert number(told["cost"]) in page.text
        line = [
            f"{name.replace('_', ' ')}, is {visible('yes & $no_1$')}",
            *map(str, (told["confusion"]["false_negative"],)),
        ]
        assert "".join(line) in re.sub(r"\s+", " ", page.text).replace("> ", ">")


def test_notes_are_said_once(page):
    assert page.text.count("a warning, said once") == 1
    assert "a note & more" in page.text
    assert "every epoch was kept" in page.text
    assert ARTICLE in page.text


def test_predictions(html, page):
    assert "0.6875" in page.text
    assert "1,234" in page.text
    assert 'style="width:68.8%"' in html
    assert "probability of yes" not in said({**DOCUMENT, "predictions": []})
    many = [{"row": k, "probability": 0.5, "class": "a"} for k in range(1, 2001)]
    assert "and 1,500 more, not listed here" in said({**DOCUMENT, "predictions": many})


def test_where_the_row_is_from():
    document, drawn = certified()
    explained = {**DOCUMENT["explanation"], "epoch": 1}
    for more, part, sentence in (
        ({}, "training", "y = 1; a training row)"),
        ({"closest": True}, "training", "The finished model gets this training row right by the smallest margin."),
        ({}, "held out", "y = 1; held out)"),
        ({"lesson": "gradient-descent"}, "training", "y = 1; a training row) after epoch 1"),
        (
            {"lesson": "gradient-descent"},
            "training",
            "Training was by Newton’s method. This is",
        ),
    ):
        assert sentence in said({**document, **more, "explanation": {**explained, "part": part}}, drawn)


def test_saturated_slope_has_two_factors_that_multiply_to_it():
    e = explain_row([54.4], 1.0, [1.0], 0.0, feature_names=["a"]).to_dict()
    text = Page(page_of({**DOCUMENT, "explanation": e})).text
    mantissa, exponent = f"{1 / (1 + np.exp(54.4)):.6g}".split("e")
    assert f"1 · {mantissa} × 10⁻²⁴" in text
    assert exponent == "-24"


def test_row_of_unknown_class_has_no_derivatives():
    text = Page(page_of(*make(y=None))).text
    assert "the graph ends at g" in text
    assert "nothing goes backward" in text
    assert "dL_dw" not in text[: text.index("What the numbers mean")]


def test_saturated_row_shows_both_forms():
    e = explain_row([40.0], 0.0, [3.0], 0.0, feature_names=["a"]).to_dict()
    page = Page(page_of({**DOCUMENT, "explanation": e}))
    assert "divides by zero" in page.text
    assert "(stable form of g - y)" in page.text
    assert "∂ivides" not in page.text


def test_without_a_row_or_notes_there_is_no_section_of_them():
    text = said({**DOCUMENT, "explanation": None, "notes": []}, warnings=[], findings=[{"code": "stopped"}])
    assert "Row 23" not in text
    assert "Notes" not in text


def test_five_hundred_features_and_many_rows():
    names = [f"feature_{j:03d}" for j in range(500)]
    document, drawn = make(names=names, m=200_000)
    html = page_of(document, drawn)
    assert len(html) < 1_000_000
    text = Page(html).text
    assert text.count("and 470 smaller ones") == 2
    assert "and 440 features of smaller spread" in text
    order = re.findall(r"feature_\d{3}", text[text.index("per SD", text.index("Coefficients: log-odds")) :])
    spread = [abs(entry["w"] * (entry["sd"] or 0.5)) for entry in document["coefficients"]]
    assert order[:60] == [names[j] for j in np.argsort(-np.array(spread), kind="stable")[:60]]


def test_style_serves_dark_print_and_phone(html):
    css = html[html.index("<style>") : html.index("</style>")]
    assert "prefers-color-scheme:dark" in css
    assert "@media print" in css
    assert "max-width: 560px" in css
    assert 'name="viewport"' in html
    used = set(re.findall(r"var\(--([a-z-]+)\)", css))
    assert used <= set(re.findall(r"--([a-z-]+):", css))


RELATIONS = Finding("relations", {"relations": ("a + b = c",), "has_penalty": False})
UNKNOWN = Finding("not looked for")
SEPARATED = Finding("separated", {"kind": "complete", "causes": (), "rows": 60})


def certified(**more):
    """A document of Newton's method, and its trace."""
    k = 4
    columns = {
        "epoch": np.arange(k), "reads": np.array([0.2, 1.5, 2.5, 4.6]), "share": np.array([0.25, 1, 1, 1]),
        "loss": np.linspace(0.69, 0.44, k), "objective": np.linspace(0.69, 0.4375, k),
        "accuracy": np.linspace(0.5, 0.8, k), "gap": np.array([np.inf, np.inf, 1e-4, 7.8e-9]),
    }  # fmt: skip
    result = {**DOCUMENT["result"], "method": "newton", "n_epochs": 3, "reads": 4.6, "learning_rate": None,
              "learning_rate_limit": None, "loss": 0.43, "certificate": certificate(**more)}  # fmt: skip
    return {**DOCUMENT, "result": result}, (Trace(columns, np.zeros((k, 4)), np.zeros(k)), DRAWN[1])


def words_of(page):
    return " ".join(Page(page).text.split())


def test_certificate_is_a_sentence_with_its_numbers():
    text = words_of(page_of(*certified()))
    # a bound is rounded up
    assert "No coefficients can lower the objective by more than 7.9 × 10⁻⁹ nats. Proven" in text
    assert "25 % of the rows" in text
    assert "After 3 steps of Newton’s method" in text
    assert "learning rate 0" not in text
    assert "proven digits" in text
    assert "F − F* at most, nats." in text


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"kind": "ridge", "why": SEPARATED}, "of 1e-8 on standardised columns"),
        ({"kind": "ridge", "why": SEPARATED}, f"no optimum: {SEPARATED.head}"),
        ({"kind": "ridge", "infimum_gap": 3.21e-4, "infimum_at_least": 0.1}, "F - inf F <= 0.00033"),
        ({"kind": "reduced", "why": RELATIONS}, f"without redundant columns: {RELATIONS.head}"),
        ({"kind": "none", "gap": np.inf, "lower": 0.0, "why": UNKNOWN}, f"is proven: {UNKNOWN}"),
        (
            {"kind": "infimum", "why": SEPARATED, "lower": 0.0, "infimum_at_least": 0.1},
            "F - inf F <= 7.9e-09 nats (proven; no optimum is known",
        ),
    ],
)
def test_what_a_certificate_holds_for_and_why_is_said(more, says):
    text = said(*certified(**more))
    assert says in text
    assert "exactly one optimum" not in text


@pytest.mark.parametrize("kind", ["ridge", "infimum"])
def test_a_page_without_an_optimum_begins_with_the_cause_and_the_way_out(kind):
    reason = str(SEPARATED)
    document, drawn = certified(kind=kind, why=SEPARATED, lower=0.0)
    how = "no optimum" if kind == "ridge" else "stopped"
    known = {
        "reason": "no_optimum" if kind == "ridge" else "max_reads",
        "ended": str(Finding("no optimum", {"is_reached": True, "ridge": 1e-8})) if kind == "ridge" else "stopped",
        "verdict": f"{WARNED}{reason}",
        "warnings": [reason, "another"],
        "findings": [{"code": how}, {"code": "separated"}, {"code": "crawling"}],
    }
    html = page_of({**document, "notes": []}, drawn, **known)
    text = words_of(html)
    assert text.lower().count(reason.lower()) == 1
    assert text.lower().index(reason.lower()) < text.index("is right on")
    assert '<p class="cause">Warning: the classes' in html
    assert html.count('class="lead"') == 1  # the certificate's
    assert "another" in text
