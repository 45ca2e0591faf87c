"""Two epochs by hand: the command's numbers, and every number of the page that derives them."""

import json
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import chainrule
from chainrule.documents.by_hand import epochs, students
from chainrule.documents.derivation import STEPS, derivation
from chainrule.documents.exercises import EXERCISES
from chainrule.documents.terminal import as_text
from cli_tools import run

__all__ = ["run"]

PAGE = (Path(__file__).parents[2] / "docs" / "derivation.md").read_text("utf-8")
X = np.array([[0, 8], [1, 9], [2, 8], [4, 5], [5, 7], [6, 5]], dtype=float)
Y = np.array([0.0, 0.0, 1.0, 1.0, 0.0, 1.0])
CENTRED = X - X.mean(axis=0)


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def test_the_table_is_the_one_of_the_page():
    lines = (files("chainrule") / "data" / "students.csv").read_text("utf-8").split()[1:]
    shown = re.findall(r"^\| \d \| (\d) \| (\d) \| (yes|no) \| [01] \|$", PAGE, re.MULTILINE)
    assert [",".join(row) for row in shown] == lines
    assert [[float(a), float(b)] for a, b, _ in shown] == X.tolist()


def test_two_epochs_by_the_article_s_formulas(run):
    told = json.loads(run("demo", "--by-hand", "--json").out)
    w, b = np.zeros(2), 0.0
    for epoch in told["epochs"]:
        z = X @ w + b
        g = sigmoid(z)
        np.testing.assert_allclose(epoch["g"], g, rtol=1e-14)
        np.testing.assert_allclose(epoch["dL_dg"], (1 - Y) / (1 - g) - Y / g, rtol=1e-14)
        np.testing.assert_allclose(epoch["dg_dz"], np.exp(-z) / (1 + np.exp(-z)) ** 2, rtol=1e-14)
        np.testing.assert_allclose(np.array(epoch["dL_dg"]) * epoch["dg_dz"], g - Y, rtol=1e-13)
        np.testing.assert_allclose(epoch["dL_dw"], X.T @ (g - Y) / 6, rtol=1e-13)
        w, b = w - 0.1 * X.T @ (g - Y) / 6, b - 0.1 * np.mean(g - Y)
        np.testing.assert_allclose([*epoch["new_w"], epoch["new_b"]], [*w, b], rtol=1e-12, atol=1e-17)
    assert len(told["epochs"]) == 2


def test_the_page_shows_the_command_s_lines(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    printed = [line.strip() for line in run("demo", "--by-hand").out.splitlines()]
    lines = [line for block in re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    assert len(lines) == 10
    assert set(lines) <= set(printed)


def test_the_report_s_chapter_has_the_page_s_table_examples_and_exercises():
    said = " ".join(as_text(derivation(), 2000).split())
    for x, y in zip(X, Y, strict=True):
        assert re.search(f"{x[0]:g} +{x[1]:g} +{y:g} ", said)
    for line in re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL):  # two epochs
        assert all(" ".join(each.split()) in said for each in line.splitlines())
    assert said.count("(by hand)") == len(STEPS)
    for k, (title, question, answer) in enumerate(EXERCISES, 1):
        assert f"{k}. {title} {question} Answer {answer}" in said
        assert f"{k}. **{title}.** {question} <details><summary>Answer</summary>{answer}</details>" in " ".join(
            PAGE.split()
        )
    assert PAGE.count("<details>") == len(EXERCISES)


def test_the_examples_by_hand_are_the_students():
    said = " ".join(as_text(derivation(), 2000).split())
    x, y, g = X[4], Y[4], 0.5
    for line in (
        f"L = -log(1 - 0.5) = {np.log(2):.6g}",
        f"dL/dz = {1 / g:g} · {g * (1 - g):g} = {g - y:g}",
        f"dL/dw_1 = 0.5 · 5 = {x[0] / 2:g}, dL/dw_2 = 0.5 · 7 = {x[1] / 2:g}, dL/db = 0.5",
        f"= {X[:, 0] @ (g - Y) / 6:g} (by hand)",
        f"(8² + 9² + 8² + 5² + 7² + 5²)/24 = {X[:, 1] @ X[:, 1] / 24:.6g}, and 2/L_max = {48 / (X[:, 1] @ X[:, 1]):.6g}",
        f"(1² + 2² + 1² + (-2)² + 0² + (-2)²)/24 = {CENTRED[:, 1] @ CENTRED[:, 1] / 24:.6g}",
    ):
        assert line in said
    assert students()["epochs"][0]["g"] == [g] * 6


def eigenvalues(x):
    one = np.column_stack([x, np.ones(6)])
    return np.linalg.eigvalsh(one.T @ one / 24)


@pytest.mark.parametrize(("x", "shown"), [(X, "14.9424, 1.55503 and 0.00254"), (CENTRED, "1.60268, 0.25 and 0.147323")])
def test_eigenvalues_and_limits(x, shown):
    large, middle, small = eigenvalues(x)[::-1]
    assert f"{large:.6g}, {middle:.6g} and {small:.{6 if small > 0.1 else 3}g}" == shown
    assert f"the eigenvalues {shown}" in PAGE
    with pytest.warns(chainrule.NotConvergedWarning):
        run = chainrule.fit(x, Y, method="gradient-descent", max_reads=1)
    assert run.learning_rate_limit == pytest.approx(2.0 / large, rel=1e-6)
    assert f"{2.0 / large:.4g}" in PAGE


def test_a_rate_above_the_limit_raises_the_loss():
    losses = [epoch["new_L"] for epoch in epochs(X, Y, 0.2, 3)]
    assert "{:.6g}, {:.6g}, and up to {:.6g}".format(*losses) in " ".join(PAGE.split())
    assert losses[2] > losses[1]


def test_what_an_epoch_lowers_at_least():
    (first,) = epochs(X, Y, 0.1, 1)
    largest, squared = eigenvalues(X)[-1], float(np.sum(np.square([*first["dL_dw"], first["dL_db"]])))
    least = 0.1 * (1 - 0.1 * largest / 2) * squared
    assert f"0.1 · (1 - 0.1 · {largest:.6g}/2) · {squared:g} = {least:.3g} at least; it did by" in " ".join(
        PAGE.split()
    )
    assert least < first["L"] - first["new_L"] == pytest.approx(0.0412, abs=5e-5)
    means = X.mean(axis=0)
    assert f"(3² + 7² + 1²)/4 = {(means @ means + 1) / 4:g}" in PAGE


def test_rates_near_the_lowest_point():
    best, one = chainrule.fit(X, Y), np.column_stack([X, np.ones(6)])
    g = sigmoid(X @ best.w + best.b)
    largest = np.linalg.eigvalsh((one * (g * (1 - g))[:, np.newaxis]).T @ one / 6)[-1]
    assert f"λ_max = {largest:.6g}" in PAGE
    assert f"2/λ_max = {2 / largest:.4g}" in PAGE
    ends = {rate: np.array([*best.w, best.b]) + 1e-6 for rate in (0.2, 0.23)}
    for rate, point in ends.items():
        for _ in range(300):
            point -= rate * one.T @ (sigmoid(one @ point) - Y) / 6
    nearer, away = (np.abs(one @ point - one @ [*best.w, best.b]).max() for point in ends.values())
    assert nearer < 1e-6 * 16 < away


def test_epochs_with_raw_and_with_centred_columns():
    best = chainrule.fit(X, Y).loss
    for x, rate, line in (
        (X, 0.1, "{:,.0f} epochs with the raw columns"),
        (CENTRED, 1.0, "and {:,.0f} with centred ones"),
    ):
        one, point, epoch = np.column_stack([x, np.ones(6)]), np.zeros(3), 0
        while np.mean(np.logaddexp(0.0, (1 - 2 * Y) * (z := one @ point))) > best + 1e-6:
            point, epoch = point - rate * one.T @ (sigmoid(z) - Y) / 6, epoch + 1
        assert line.format(float(f"{epoch:.3g}")) in " ".join(PAGE.split())


def test_a_sure_prediction_keeps_its_digits():
    assert 1.0 / (1.0 + np.exp(-40.0)) - 1.0 == 0.0
    assert f"{-np.exp(-40.0) / (1.0 + np.exp(-40.0)):.4g}, with every digit" in PAGE


def test_formulas_reach_github_as_they_are_written():
    """Within $$ or bare $, its Markdown takes the backslash before a sign away."""
    assert "$" not in re.sub(r"```.*?```|\$`[^`]*`\$", "", PAGE, flags=re.DOTALL)
    assert PAGE.count("```math") >= 15


def test_the_page_has_each_equation_of_the_article():
    shown = re.sub(r"\s|\\[,;]", "", PAGE)
    for equation in (
        r"z = w_1 x_1 + w_2 x_2 + b",
        r"\frac{1}{1+e^{-z}} = \sigma(z)",
        r"-\bigl(y \log g + (1-y) \log(1-g)\bigr)",
        r"\frac{\partial l}{\partial w_j} = \frac{\partial l}{\partial g} \cdot \frac{\partial g}{\partial z} \cdot",
        r"\frac{\partial l}{\partial g} = \frac{1-y}{1-g} - \frac{y}{g}",
        r"\frac{e^{-z}}{(1+e^{-z})^2} = \frac{1}{1+e^{-z}} \cdot \frac{e^{-z}}{1+e^{-z}}",
        r"\frac{(1+e^{-z})-1}{1+e^{-z}} = 1-g",
        r"\frac{\partial g}{\partial z} = g\,(1-g)",
        r"\partial z/\partial w_j = x_j",
        r"\partial z/\partial b = 1",
        r"\frac{\partial L}{\partial w_j} = \frac{1}{m} \sum_i \frac{\partial l_i}{\partial g_i} \cdot",
        r"\frac{\partial L}{\partial b} = \frac{1}{m} \sum_i",
        r"w \leftarrow w - \eta \frac{\partial L}{\partial w}",
        r"b \leftarrow b - \eta \frac{\partial L}{\partial b}",
    ):
        assert re.sub(r"\s|\\[,;]", "", equation) in shown, equation


def test_where_it_ends():
    result = chainrule.fit(X, Y)
    w, b = ", ".join(f"{w:.6g}" for w in result.w), f"{result.b:.6g}"
    assert f"w = ({w}), b = {b}, with L = {result.loss:.6g}" in " ".join(PAGE.split())
    assert result.reads == 6.0


def test_answers_of_the_exercises():
    said = " ".join(PAGE.split())
    x, w = np.array([3.0, 6.0]), np.array([0.05, -0.05])
    g = sigmoid(x @ w)
    assert (
        f"z = {x @ w:.6g}, g = {g:.6g}, l = {-np.log(g):.6g}. ∂l/∂g = {-1 / g:.6g}, ∂g/∂z = {g * (1 - g):.6g}" in said
    )
    assert "∂l/∂w = ({:.6g}, {:.6g}), ∂l/∂b = {:.6g}".format(*(g - 1) * x, g - 1) in said
    first, second = epochs(X, Y, 0.1, 2)
    given = re.search(r"gradient at w = \((\S+), (\S+)\), b = (\S+)\?", said).groups()
    *w, b = map(float, given)
    assert given == tuple(f"{value:.6g}" for value in (*second["new_w"], second["new_b"]))
    slopes = sigmoid(X @ w + b) - Y  # from the rounded numbers, as a reader takes them
    assert "∂L/∂w = ({:.5g}, {:.5g}), ∂L/∂b = {:.5g}".format(*X.T @ slopes / 6, np.mean(slopes)) in said
    terms = second["terms"][:, 0]
    assert np.argmax(np.abs(terms)) == 5
    assert f"Row 6: its term is {terms[5]:.6g}" in said
    (centred,) = epochs(CENTRED, Y, 1.0, 1)
    assert (
        "w = ({:g}, {:g}), b = {:g}, L = {:.6g}".format(*centred["new_w"], centred["new_b"], centred["new_L"]) in said
    )
    np.testing.assert_allclose(centred["dL_dw"], first["dL_dw"])
    twice = epochs(np.repeat(X, 2, axis=0), np.repeat(Y, 2), 0.1, 1)[0]
    np.testing.assert_allclose(twice["dL_dw"], first["dL_dw"])
    penalised = second["dL_dw"] + second["w"]
    assert "= ({:.6g}, {:.6g})".format(*penalised) in said
    assert f"82/24 = {(X[:, 0] @ X[:, 0]) / 24:.6g}, and 2/3.41667 = {48 / 82:.6g}" in said
