"""The player in a real browser: its numbers are the graph's, and every control does what it says."""

import base64
import json
import re

import numpy as np
import pytest

import chainrule
from browser_tools import browser, go_on, go_to, needs_browser, number, opened, played, playwright, section
from chainrule.graph import logistic_graph

__all__ = ["browser"]

pytestmark = needs_browser

M, NAMES = 60, ("height", '<img src=x onerror="document.title=1">', "ünïcode ‮ name")
STEPS = ("x", "z", "g", "L", "dL_dg", "dg_dz", "dz_dw", "mean", "update")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(M, 3)) * [8.0, 1.0, 1.0]).round(3)
    y = X @ [0.1, -1.0, 0.5] + rng.logistic(size=M) > 0
    folder = tmp_path_factory.mktemp("player")
    lines = [",".join('"' + name.replace('"', '""') + '"' for name in (*NAMES, "y"))]
    lines += [",".join(map(str, [*x, "yes" if one else "no"])) for x, one in zip(X.tolist(), y, strict=True)]
    (folder / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder / "t.csv", X, y.astype(int)


@pytest.fixture(scope="module")
def path(table):
    words = ("--target", "y", "--test-size", "0", "--no-standardize", "--epochs", "40")
    return played(table[0].parent, table[0], *words)


@pytest.fixture
def page(browser, path):
    page = opened(browser, path)
    yield page
    assert page.said == []  # no message, no error, no request
    page.close()


def drawn(page):
    """Return the numbers in the graph by what stands before them."""
    texts = page.locator("svg.graph text").all_text_contents()
    return {left.strip(): right.strip() for text in texts if " = " in text for left, right in [text.split(" = ", 1)]}


def test_every_number_of_a_row_is_the_graph_s(page, table, path):
    _, X, y = table
    with pytest.warns(chainrule.NotConvergedWarning):
        trained = chainrule.fit(X, y, method="gradient-descent", max_reads=40)
    for epoch in (0, 1, 17, 40):
        go_to(page, epoch)
        w, b = trained.trace.w[epoch], float(trained.trace.b[epoch])
        graph = logistic_graph(X[0], y[0], w, b).backward()
        page.get_by_role("button", name="start over").click()
        for step in STEPS:
            seen = drawn(page)
            done = STEPS.index(step)
            assert ("∂L/∂g" in seen) == (done >= 4)
            if done >= 5:
                assert number(seen["∂g/∂z"]) == pytest.approx(float(graph.dg_dz), rel=1e-3)
                assert number(seen["∂L/∂z"].split("=")[-1]) == pytest.approx(float(graph.dL_dz), rel=1e-3)
            for j, sub in enumerate("₁₂₃"):
                dL_dw = seen[f"∂L/∂w{sub}"]
                if done < 6:
                    assert dL_dw == "not yet computed"
                else:
                    assert number(dL_dw.split("=")[-1]) == pytest.approx(float(graph.dL_dw[j]), rel=2e-3)
                    assert number(seen[f"∂z/∂w{sub}"]) == pytest.approx(X[0, j], rel=1e-3)
                assert number(seen[f"w{sub}"]) == pytest.approx(w[j], rel=1e-3, abs=1e-12)
            page.get_by_role("button", name="step", exact=True).click()


@pytest.mark.parametrize("place", [3, -1])
@pytest.mark.parametrize("name", ["loss", "w", "b", "dL"])
def test_the_badge_is_green_and_a_changed_number_makes_it_red(page, browser, path, tmp_path, name, place):
    assert page.locator(".badge strong").text_content() == "checked"
    text = path.read_text(encoding="utf-8")
    data = re.search(r'<script type="application/json" id="chainrule-data">(.*?)</script>', text).group(1)
    told = json.loads(data)
    values = np.frombuffer(base64.b64decode(told["trace"][name])).copy()
    values[place] += 1e-12
    told["trace"][name] = base64.b64encode(values.tobytes()).decode()
    wrong = tmp_path / "wrong.html"
    wrong.write_text(text.replace(data, json.dumps(told).replace("<", "\\u003c")), encoding="utf-8")
    other = browser.new_page()
    other.goto(wrong.as_uri())
    assert other.locator(".badge strong").text_content() == "not the trainer's"
    other.close()


def test_the_page_runs_its_own_script_alone_and_loads_nothing(page):
    policy = page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert parts["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/=]+'", parts["script-src"])
    assert page.locator("[src], link, [href]:not([href^='#'])").count() == 0


def test_names_from_the_data_are_text(page):
    assert page.title() == "See it learn"
    assert page.locator("img").count() == 0
    assert page.get_by_text("<img src=x", exact=False).count() > 0


def test_time_plays_steps_and_rewinds(page):
    page.get_by_role("button", name="one epoch on").click()
    assert "epoch 1 of 40" in page.locator("output.epoch").text_content()
    page.get_by_role("button", name="play").click()
    playwright.expect(page.locator("output.epoch")).to_have_text("epoch 40 of 40")
    page.get_by_role("button", name="rewind to the start").click()
    assert "epoch 0 of 40" in page.locator("output.epoch").text_content()
    assert number(drawn(page)["w₁"]) == 0.0


def test_a_rate_of_twenty_diverges_or_oscillates_and_the_page_says_so(page):
    page.get_by_label("learning rate, as a power of ten").fill("1.3")
    go_on(page)
    assert re.search("diverges|oscillates", page.get_by_text("With this rate").text_content())
    assert "not certified" in page.get_by_text("The floor of the loss").text_content()
    page.get_by_label("learning rate, as a power of ten").fill("-6")
    go_on(page)
    assert "crawls" in page.get_by_text("With this rate").text_content()
    page.get_by_role("button", name="back to the trainer's run").click()
    assert "certified optimum" in page.get_by_text("The floor of the loss").text_content()


def node(page, name):
    """Return the value at a node of the graph."""
    shape = page.locator("svg.graph g.node", has=page.locator(f"text.name:text-is('{name}')"))
    return number(shape.locator("text.value").text_content().removeprefix("= "))


@pytest.mark.parametrize("columns", ["centred", "standardised", "as in the table"])
def test_going_on_in_other_units_keeps_the_model(page, columns):
    go_to(page, 12)
    z = node(page, "z")
    page.get_by_label("columns", exact=True).select_option(label=columns)
    go_on(page)
    assert node(page, "z") == pytest.approx(z, rel=1e-3, abs=1e-4)


def test_editing_a_value_changes_the_row_and_not_the_run(page, table):
    X = table[1]
    go_to(page, 40)
    w = [number(drawn(page)[f"w{sub}"]) for sub in "₁₂₃"]
    z = node(page, "z")
    page.get_by_label("x of height").fill(str(X[0, 0] + 2.0))
    assert node(page, "z") == pytest.approx(z + 2.0 * w[0], rel=1e-3)
    page.get_by_role("button", name="undo all changes").click()
    assert node(page, "z") == z


def test_the_gradient_is_checked_by_differences_wherever_the_reader_goes(page):
    def check():
        said = section(page, "Checks").text_content()
        apart, largest = map(number, re.search(r"differ by (.*?) at most; .* is (.*?)\.The", said).groups())
        assert apart < 1e-11 * (1.0 + largest)
        return said

    go_to(page, 5)
    assert "Epoch 5: the gradient" in check()
    page.get_by_label("x of height").fill("20")
    before = check()
    page.get_by_label("penalty α").fill("1")
    go_on(page)
    go_to(page, 12)
    assert "Epoch 12: the gradient" in check() != before


def test_an_exercise_is_checked(page):
    page.get_by_label("your answer").fill("x")
    page.get_by_role("button", name="check", exact=True).click()
    playwright.expect(page.get_by_text("Type a number")).to_be_visible()


def test_a_table_of_one_s_own_is_trained_in_the_page(page, table, tmp_path):
    place, X, y = table
    page.get_by_label("a CSV file of your own").set_input_files(str(place))
    page.get_by_role("button", name="train on it").click()
    assert "not certified" in page.locator(".badge").text_content()
    mean, sd = X.mean(axis=0), X.std(axis=0)
    with pytest.warns(chainrule.NotConvergedWarning):
        trained = chainrule.fit((X - mean) / sd, y, method="gradient-descent", max_reads=30, tol=0.0)
    go_to(page, 30)
    for j, sub in enumerate("₁₂₃"):
        assert number(drawn(page)[f"w{sub}"]) == pytest.approx(trained.trace.w[30][j], rel=1e-3)
    one = tmp_path / "one.csv"
    one.write_text("a,b\n1,2\n1,3\n1,4\n")
    page.get_by_label("a CSV file of your own").set_input_files(str(one))
    playwright.expect(page.get_by_text("exactly two values")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_no_accessibility_finding_and_nothing_wider_than_the_screen(browser, path, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe")
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(path.as_uri())
    page.wait_for_selector("svg.graph")
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_the_keyboard_reaches_every_control(page):
    seen = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        seen.add(
            page.evaluate(
                "(document.activeElement.getAttribute('aria-label') || document.activeElement.textContent || '').slice(0, 40)"
            )
        )
    for control in (
        "play",
        "epoch",
        "step",
        "go on from here",
        "learning rate, as a power of ten",
        "graph as SVG",
    ):
        assert control in seen, control


def test_batches_are_of_fewer_rows_than_the_table_and_come_back_by_a_link(page, browser, path):
    sizes = page.get_by_label("rows in a batch")
    assert sizes.locator("option").all_text_contents() == ["all rows", "one row", "batches of 8", "batches of 32"]
    go_to(page, 5)
    sizes.select_option("32")
    go_on(page)
    go_to(page, 50)
    link = page.get_by_label("link to this state").input_value()
    again = opened(browser, path, "#" + link.split("#")[1])
    assert "epoch 50 of 2,005, batch 1 of 2" in again.locator("output.epoch").text_content()
    again.close()
