"""The steps of one row: edited values, weights and a missing intercept count as they should, and one weight is followed."""

import re
import warnings

import numpy as np
import pytest

import chainrule
from browser_tools import browser, go_to, needs_browser, number, opened, page, played, press, section

__all__ = ["browser", "page"]

pytestmark = needs_browser

M = 120


@pytest.fixture(scope="module")
def penguins(tmp_path_factory):
    return played(tmp_path_factory.mktemp("penguins"), "--epochs", "60")


@pytest.fixture(scope="module")
def table():
    """X, y and weights."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(M, 3))
    return X, (X[:, 0] + rng.logistic(size=M) > 0).astype(int), rng.integers(1, 5, size=M).astype(float)


def fitted(folder, X, y, **how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", chainrule.NotConvergedWarning)
        result = chainrule.fit(X, y, method="gradient-descent", max_reads=20, **how)
    result.play(X, y, folder / "player.html", **{key: how[key] for key in how if key == "sample_weight"})
    return result, folder / "player.html"


def derivatives(page):
    """Return the cells of the table of derivatives by the name of the column."""
    lines = page.locator("[aria-label='table of derivatives'] tbody tr").all()
    return {line.locator("th").get_attribute("title"): line.locator("td").all_text_contents() for line in lines}


def formula(page):
    return page.locator(".steps .formula").text_content()


def losses(page):
    said = section(page, "From the rows to the step").text_content()
    return [float(each) for each in re.search(r"from (\d\.\d+) to (\d\.\d+)", said).groups()]


def test_an_edited_value_changes_the_row_s_part_and_the_mean_but_not_the_part_of_the_others(page):
    go_to(page, 30)
    before, (loss, _) = derivatives(page), losses(page)
    page.get_by_label("x of bill_length_mm").fill("3")
    after, (now, _) = derivatives(page), losses(page)
    for name in before:
        own, others, mean = (number(cell) for cell in after[name][1:4])
        assert others == pytest.approx(number(before[name][2]), rel=1e-3, abs=1e-7)
        assert own + others == pytest.approx(mean, rel=1e-3, abs=1e-7)
    assert after["bill_length_mm"][3] != before["bill_length_mm"][3]
    assert now != loss
    page.get_by_label("find rows").fill("1")
    g = page.locator("g.node[data-stage=g] .value").text_content().removeprefix("= ")
    assert section(page, "All rows").locator("tbody td").nth(1).text_content() == g


def test_a_run_without_an_intercept_has_no_b(browser, table, tmp_path):
    _, path = fitted(tmp_path, *table[:2], fit_intercept=False)
    page = opened(browser, path, "#epoch=7&step=8")
    assert set(derivatives(page)) == {"x1", "x2", "x3"}
    assert "bias" not in page.locator("svg.graph").text_content()
    assert page.get_by_label("bias b").count() == 0
    length = np.linalg.norm([number(cells[0]) for cells in derivatives(page).values()])
    said = section(page, "The row's numbers").text_content()
    assert number(re.search(r"length (\S+),", said)[1]) == pytest.approx(length, rel=1e-3)
    page.close()


def test_weights_are_said_where_they_count(browser, table, tmp_path):
    X, y, s = table
    result, path = fitted(tmp_path, X, y, sample_weight=s)
    page = opened(browser, path, "#epoch=7&step=7")
    assert f"weight {s[0]:.0f}." in page.locator("p.row").text_content()
    head = page.locator("[aria-label='table of derivatives'] thead").text_content()
    assert f"weight {s[0]:.0f} of {s.sum():.0f}" in head
    g = 1.0 / (1.0 + np.exp(-(X @ result.trace.w[7] + result.trace.b[7])))
    parts = (s * (g - y) / s.sum())[:, None] * X
    for j in range(3):
        _, own, others, mean, _ = derivatives(page)[f"x{j + 1}"]
        assert number(own) == pytest.approx(parts[0, j], rel=1e-3)
        assert number(others) == pytest.approx(parts[1:, j].sum(), rel=1e-3)
        assert number(mean) == pytest.approx(parts[:, j].sum(), rel=1e-3)
    page.get_by_label("weight that the formulas follow").select_option("0")
    weight, slope, own = re.match(rf"(\d)·\(?([−\d.]+?)\)?{s.sum():.0f}≈(\S+) from this row", formula(page)).groups()
    assert number(weight) == s[0]
    assert number(weight) * number(slope) / s.sum() == pytest.approx(number(own), rel=1e-3)
    page.close()


@pytest.mark.parametrize("epoch", [0, 30])
def test_one_weight_is_followed_through_all_steps_with_its_numbers(page, epoch):
    go_to(page, epoch)
    chosen = page.get_by_label("weight that the formulas follow")
    for j in (None, "4", "8"):  # what the page chooses, bill_length_mm, and b
        if j:
            chosen.select_option(j)
        k = int(chosen.input_value())
        press(page, "start over")
        said = [formula(page)]
        for _ in range(8):
            press(page, "step")
            said.append(formula(page))
        assert all("≈" in each for each in said[1:])
        of = "b" if k == 8 else f"w{k + 1}"
        assert f"x{k + 1}=" in said[0] or k == 8
        assert all(f"∂{of}" in each for each in said[6:8])
        assert said[8].startswith(f"{of}←")
        own, others, mean = re.search(r"≈(\S+) from this row \+ (\S+) from the others: .*≈(\S+)$", said[7]).groups()
        assert number(own) + number(others.strip("()")) == pytest.approx(number(mean), abs=2e-6)
        before, rate, slope, after = re.search(r"←(\S+?)−(\S+?)·(\S+) ≈(\S+)$", said[8]).groups()
        step = number(rate) * number(slope.strip("()"))
        assert number(before) - step == pytest.approx(number(after), abs=1e-4)
        name = page.locator("svg.graph .followed title").text_content()
        assert name in chosen.locator("option:checked").text_content() or name == "bias"
    assert ("each weight is still 0" in said[1]) == (epoch == 0)


def test_a_link_keeps_the_weight_that_is_followed(page, browser, penguins):
    page.get_by_label("weight that the formulas follow").select_option("4")
    link = page.get_by_label("link to this state").input_value()
    again = opened(browser, penguins, "#" + link.split("#")[1])
    assert again.get_by_label("weight that the formulas follow").input_value() == "4"
    again.close()


def test_names_that_differ_in_their_middle_show_where(browser, tmp_path):
    names = [f"the_daily_concentration_of_dis_{j}_ved_organic_carbon_in_the_upper_layer_" for j in range(4)]
    lines = [f"{i % 7},{i % 5},{i % 11},{i % 3},{(i * i) % 11 > 4}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join([",".join([*names, "y"]), *lines]))
    page = opened(browser, played(tmp_path, tmp_path / "t.csv", "--target", "y"), "#epoch=3&step=8")
    for place in (
        page.locator("svg.graph .input"),
        page.locator("[aria-label='table of derivatives'] tbody th"),
        section(page, "The row's numbers").locator("tbody th"),
        page.get_by_label("weight that the formulas follow").locator("option"),
    ):
        said = " ".join(place.all_text_contents())
        assert all(f"_{j}_" in said for j in range(4)), said
    page.close()


def test_no_step_s_formula_is_cut_on_a_phone(browser, penguins):
    page = opened(browser, penguins, "#epoch=30", viewport={"width": 390, "height": 844})
    page.get_by_label("w of body_mass_g").fill("-1234.5678")
    for value in ("0.5", "-0.00006607"):
        page.get_by_label("x of body_mass_g").fill(value)
        press(page, "start over")
        for step in range(9):
            assert page.locator(".formula").evaluate("line => line.scrollWidth <= line.clientWidth"), (value, step)
            press(page, "step")
        go_to(page, 29)
        page.get_by_label("w of body_mass_g").fill("-1234.5678")
    page.close()


def test_the_table_of_rows_has_room_for_long_names_of_classes(browser, tmp_path):
    names = ("successful", "unsuccessful")
    lines = [f"{i % 7},{i % 5},{names[(i * i) % 11 > 4]}" for i in range(2000)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,outcome", *lines]))
    page = opened(browser, played(tmp_path, tmp_path / "t.csv", "--target", "outcome"), "#epoch=30&step=8")
    table = page.get_by_role("region", name="table of rows")
    assert "unsuccessful, held out" in table.text_content()
    assert table.evaluate("place => place.scrollWidth <= place.clientWidth")
    page.close()
