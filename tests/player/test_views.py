"""The player's views in a real browser, on the penguins and on large and hostile tables: each does what its heading says."""

import csv
import io
import re
import time

import numpy as np
import pytest

from browser_tools import browser, go_on, go_to, needs_browser, number, opened, page, played, playwright, section
from chainrule.cli import main

__all__ = ["browser", "page"]

pytestmark = needs_browser

ROWS, COLUMNS, ONE_BY_ONE = 2_000, 200, 100
LONG = "a name that is as long as the header of a table in a laboratory can be, number {:03d} of them"


@pytest.fixture(scope="module")
def penguins(tmp_path_factory):
    return played(tmp_path_factory.mktemp("penguins"), "--epochs", "60")


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """The most that a page holds; of more rows than that."""
    folder, rng = tmp_path_factory.mktemp("large"), np.random.default_rng(0)
    X = rng.normal(size=(ROWS + 500, COLUMNS)).round(3)
    y = X[:, 0] + rng.logistic(size=len(X)) > 0
    with (folder / "t.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([LONG.format(j) for j in range(COLUMNS)] + ["y"])
        writer.writerows([*row, int(one)] for row, one in zip(X.tolist(), y, strict=True))
    return played(folder, folder / "t.csv", "--target", "y", "--epochs", "20")


def canvas(page):
    return page.locator("canvas").evaluate("canvas => canvas.toDataURL()")


def test_curves_of_both_parts_mark_the_epoch(page):
    legend = section(page, "How the loss falls").locator(".u-legend")
    for curve in ("training rows", "held-out rows", "certified optimum"):
        assert curve in legend.text_content()
    before = canvas(page)
    go_to(page, 30)
    assert canvas(page) != before
    for curve in ("accuracy", "gradient norm"):
        before = canvas(page)
        page.get_by_label("curve", exact=True).select_option(curve)
        page.wait_for_function("old => document.querySelector('canvas').toDataURL() !== old", arg=before)
    assert "held-out rows" not in legend.text_content()


def test_both_limits_of_the_rate_are_marked_where_they_are(page):
    said = section(page, "The learning rate").text_content()
    limits = [
        number(re.search(pattern + r" = (\d+\.\d+)", said).group(1)) for pattern in ("2/L_max", "rates below 2/λ")
    ]
    eigenvalue = number(re.search(r"λ = ([\d.]+), the largest eigenvalue", said).group(1))
    labels = ("2/L_max", "2/λ at the optimum", "2/λ here")
    for label, limit in zip(labels, [*limits, 2.0 / eigenvalue], strict=True):
        mark = page.locator(".marks span", has_text=label)
        left = float(re.search(r"left: ([\d.]+)%", mark.get_attribute("style")).group(1))
        assert left == pytest.approx((np.log10(limit) + 6) / 9 * 100, abs=0.05)


@pytest.mark.parametrize("width", [390, 1280])
def test_no_mark_of_a_rate_crosses_the_words_of_another(browser, penguins, width):
    page = opened(browser, penguins, viewport={"width": width, "height": 900})
    for epoch in (3, 20, 60):
        go_to(page, epoch)
        crossed = page.locator(".marks").evaluate(
            """marks => [...marks.children].flatMap((mark) => {
  const box = mark.getBoundingClientRect(), words = document.createRange();
  const line = mark.classList.contains("left") ? box.right : box.left;
  return [...marks.children].filter((other) => {
    words.selectNodeContents(other);
    const said = words.getBoundingClientRect();
    return other !== mark && line > said.left - 1 && line < said.right + 1 && box.bottom > said.top;
  });
}).length"""
        )
        assert crossed == 0, epoch
    page.close()


def test_a_rate_that_is_typed_is_judged_before_it_is_taken(page):
    place = section(page, "The learning rate")
    place.get_by_label("learning rate", exact=True).fill("20")
    assert "above 2/rate = 0.1000" in place.text_content()
    assert "ends farther away, on the other side" in place.text_content()
    place.get_by_label("learning rate", exact=True).fill("0")  # no rate: the run's own stays
    go_to(page, 7)
    assert "below 2/rate = 1.497" in place.text_content()


@pytest.mark.parametrize(("rate", "word"), [("20", "oscillates|diverges"), ("0.00001", "crawls"), ("auto", "it falls")])
def test_the_page_says_what_the_trainer_s_own_rate_did(browser, tmp_path, rate, word):
    page = opened(browser, played(tmp_path, "--epochs", "30", "--learning-rate", rate))
    assert re.search(word, page.get_by_text("With this rate").text_content())
    page.close()


def test_the_scale_of_the_rate_reaches_the_limits_of_columns_as_in_the_table(page):
    go_to(page, 1)
    page.get_by_label("columns", exact=True).select_option("table")
    page.get_by_label("learning rate", exact=True).fill("0.0000001")
    go_on(page)
    said = section(page, "The learning rate").text_content()
    limit = number(re.search(r"2/L_max = (\S+\s×\s[^\s.]+)\.", said).group(1))
    assert limit < 1e-6
    left = page.locator(".marks span", has_text="2/L_max").evaluate("mark => parseFloat(mark.style.left)")
    slider = page.get_by_label("learning rate, as a power of ten")
    low, high, value = (float(slider.evaluate(f"slider => slider.{name}")) for name in ("min", "max", "value"))
    assert left == pytest.approx((np.log10(limit) - low) / (high - low) * 100, abs=0.05)
    assert low < value < np.log10(limit) < high
    assert value == pytest.approx(-7)
    assert "rises at none of" in said or "crawls" in said
    assert re.search(r"below 2/rate = 2\.000\s×\s10⁷\.", said)
    surface = page.locator("svg.plane").last
    assert surface.evaluate(TEXTS) == []
    ends = surface.locator("text").all_text_contents()
    assert len(set(ends)) == len(ends)


def test_where_nothing_bends_no_step_is_said_to_shrink_anything(page):
    go_to(page, 5)
    for label in ("w of body_mass_g", "bias b"):
        page.get_by_label(label).fill("1e7")
    said = section(page, "The learning rate").text_content()
    assert "λ = 0, the largest" in said
    assert "and 0 on average over the rows here" in said
    assert "1 − rate · λ = 1: it would stay, since nothing bends here." in said


def test_map_and_surface_change_with_the_epoch(page):
    def seen():
        half = page.locator(".plane .half").first.get_attribute("d")
        here = page.locator(".plane .here")
        return half, here.get_attribute("cx"), here.get_attribute("cy")

    go_to(page, 2)
    early = seen()
    go_to(page, 60)
    assert all(a != b for a, b in zip(early, seen(), strict=True))
    assert page.locator(".plane .path").count() == 1
    assert page.locator(".plane .one, .plane .zero").count() == 333
    page.get_by_label("column across").select_option(label="flipper_length_mm")
    assert "flipper_length_mm" in page.locator("svg.plane").first.text_content()


TEXTS = """graph => {
  const edges = graph.getBoundingClientRect();
  const words = [...graph.querySelectorAll("text")].filter((text) => text.textContent.trim());
  const boxes = words.map((text) => text.getBoundingClientRect());
  const apart = (a, b) => a.right < b.left + 1.5 || b.right < a.left + 1.5 || a.bottom < b.top + 3 || b.bottom < a.top + 3;
  const out = words.filter((_, k) => boxes[k].left < edges.left - 1 || boxes[k].right > edges.right + 1);
  const over = words.filter((_, k) => boxes.some((box, j) => j < k && !apart(box, boxes[k])));
  const beside = words.filter((text, k) => {
    const box = text.parentElement.querySelector(":scope > .box")?.getBoundingClientRect();
    return box && (boxes[k].left < box.left || boxes[k].right > box.right);
  });
  return [...out, ...over, ...beside].map((text) => text.textContent);
}"""


@pytest.mark.parametrize("width", [390, 1024, 1280])
def test_no_words_of_the_graph_overlap_or_leave_it(browser, large, penguins, width):
    for path in (large, penguins):
        page = opened(browser, path, "#epoch=5&row=3&step=8", viewport={"width": width, "height": 900})
        assert page.locator("svg.graph").evaluate(TEXTS) == []
        page.get_by_label("w of", exact=False).last.fill("500")  # a probability that is written with a power of ten
        page.get_by_label("x of", exact=False).first.fill("-0.00006607")
        assert page.locator("svg.graph").evaluate(TEXTS) == []
        page.close()


@pytest.mark.parametrize("width", [390, 640, 700, 860, 1024, 1920])
def test_the_words_of_the_graph_have_the_size_of_the_page_s(browser, penguins, width):
    page = opened(browser, penguins, viewport={"width": width, "height": 900})
    graph = page.locator("svg.graph")
    scale = graph.bounding_box()["width"] / float(graph.get_attribute("viewBox").split()[2])
    assert 11 <= 14 * scale <= 17
    page.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_a_name_of_wide_letters_ends_before_its_box(browser, tmp_path, width):
    lines = [f"{i % 7},{i % 5},{(i * i) % 11 > 4}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join([f"{'W' * 80}1,{'W' * 79}2x,y", *lines]))
    page = opened(
        browser, played(tmp_path, tmp_path / "t.csv", "--target", "y"), viewport={"width": width, "height": 900}
    )
    assert page.locator("svg.graph").evaluate(TEXTS) == []
    names = page.locator("svg.graph .input")
    assert len(set(names.all_text_contents())) == 3
    box = page.locator("svg.graph .box").first.bounding_box()
    if width > 1000:
        assert names.first.bounding_box()["x"] + names.first.bounding_box()["width"] <= box["x"]
    page.close()


def test_the_other_rows_and_this_row_add_up_to_the_mean(page):
    go_to(page, 5)
    rows = section(page, "From the rows to the step").locator("tbody tr")
    cells = [row.locator("td").all_text_contents() for row in rows.all()]
    added = 0
    for _, own, others, mean, step in cells:
        if "held out" not in own:
            assert number(own) + number(others) == pytest.approx(number(mean), rel=2e-3, abs=1e-6)
            added += 1
        w, rate, slope, new = map(number, re.fullmatch(r"(\S+) − (\S+) · \(?(\S+?)\)? = (\S+)", step).groups())
        assert ("· (−" in step) == (slope < 0)
        assert w - rate * slope == pytest.approx(new, rel=2e-3, abs=1e-3)
    assert added > 0
    assert "The loss goes from" in section(page, "From the rows to the step").text_content()


def test_the_worst_predicted_row_comes_first_and_rows_are_found(page):
    go_to(page, 60)
    table = section(page, "All rows")
    losses = [number(cell) for cell in table.locator("tbody td:nth-child(4)").all_text_contents()]
    assert losses == sorted(losses, reverse=True)
    page.get_by_label("find rows").fill("106")
    table.locator("tbody button").click()
    assert "Row 106: sex is male" in section(page, "One row, forward and backward").text_content()
    heads = section(page, "The row's numbers").locator("thead th").all_text_contents()
    assert heads[:3] == ["column", "in the table", "x"]
    weighs = section(page, "The row's numbers").locator("tr", has=page.get_by_label("x of body_mass_g"))
    assert page.get_by_label("body_mass_g in the table").input_value() == "3550"
    assert weighs.count() == 1
    classes = table.locator("tbody td.word")
    for wanted, found, count in (("male", "male", 168), ("fem", "female", 165), ("held", "held out", 84)):
        page.get_by_label("find rows").fill(wanted)
        assert f"of {count}" in table.text_content()
        assert all(re.search(rf"\b{found}\b", text) for text in classes.all_text_contents())


@pytest.mark.parametrize(("name", "place"), [("row", 1), ("g: P(male)", 3), ("loss", 4), ("∂L/∂z", 5)])
def test_a_heading_orders_the_rows_and_turns_the_order(page, name, place):
    go_to(page, 30)
    table = section(page, "All rows")
    head = table.get_by_role("columnheader", name=name, exact=True)
    orders = {}
    for _ in range(2):
        head.get_by_role("button").click()
        cells = table.locator(f"tbody tr > :nth-child({place})").all_text_contents()
        orders[head.get_attribute("aria-sort")] = [number(cell) for cell in cells]
    assert orders["ascending"] == sorted(orders["ascending"])
    assert orders["descending"] == sorted(orders["descending"], reverse=True)
    assert orders["ascending"][0] < orders["descending"][0]


def test_the_heading_of_the_class_orders_by_it(page):
    table = section(page, "All rows")
    firsts = set()
    for _ in range(2):
        table.get_by_role("button", name="class", exact=True).click()
        firsts.add(table.locator("tbody td.word").first.text_content().split(",")[0])
    assert firsts == {"female", "male"}


def test_a_whole_number_finds_its_row_before_a_class_of_that_name(page):
    page.evaluate(DROP, "\n".join(["a,b,y", *(f"{i % 7},{(i * 3) % 5},{int(i % 3 == 1)}" for i in range(60))]))
    page.get_by_role("button", name="train on it").click()
    page.get_by_role("heading", name="y:").wait_for()
    buttons = section(page, "All rows").locator("tbody button")
    go_to(page, 20)
    for key in ("row", "loss"):
        page.get_by_role("button", name=key, exact=True).click()
        page.get_by_label("find rows").fill("1")
        assert buttons.first.text_content() == "1"
    assert "of 21" in section(page, "All rows").text_content()  # and the 20 rows of the class


def test_a_row_chosen_by_the_keyboard_keeps_the_focus(page):
    table = section(page, "All rows")
    table.locator("tbody button").nth(4).focus()
    chosen = table.locator("tbody button").nth(4).text_content()
    page.keyboard.press("Enter")
    assert f"Row {chosen}: " in section(page, "One row, forward and backward").text_content()
    assert page.evaluate("document.activeElement.textContent") == chosen


def test_the_checks_say_how_near_the_article_s_loss_is_to_log_0(page):
    go_to(page, 60)
    said = section(page, "Checks").text_content()
    found = re.search(
        r"at most (\S+) in the rows of (\w+) \(y = 0\).*at least (\S+) in the rows of (\w+) \(y = 1\)", said
    )
    table = section(page, "All rows")
    for z, label, by in ((found[1], found[2], "descending"), (found[3], found[4], "ascending")):
        page.get_by_label("find rows").fill(label)
        head = table.get_by_role("columnheader", name="g: P(male)")
        while head.get_attribute("aria-sort") != by:
            head.get_by_role("button").click()
        table.locator("tbody button").first.click()
        assert page.locator("g.node[data-stage=z] .value").text_content() == f"= {z}"


def test_a_fork_keeps_the_old_curve_and_takes_batches_and_a_penalty(page):
    go_to(page, 10)
    page.get_by_label("rows in a batch").select_option("32")
    page.get_by_label("penalty α").fill("0.1")
    go_on(page)
    legend = section(page, "How the loss falls").locator(".u-legend").text_content()
    assert "the trainer's run" in legend
    assert "batches of 32" in legend
    assert "batch 1 of 8" in section(page, "From the rows to the step").text_content()
    page.get_by_role("button", name="one epoch on").click()
    assert "epoch 11 of" in page.locator("output.epoch").text_content()


def test_a_fork_that_goes_wrong_keeps_the_limit_of_the_optimum(page):
    place = section(page, "The learning rate")
    limit = re.search(r"rates below 2/λ = ([\d.]+)", place.text_content()).group(1)
    page.get_by_label("learning rate, as a power of ten").fill("2.5")
    go_on(page)
    assert f"rates below 2/λ = {limit} still converge" in place.text_content()
    page.get_by_label("penalty α").fill("0.1")  # whose optimum is not known
    go_on(page)
    assert "still converge" not in place.text_content()


def test_a_run_that_runs_away_is_shown_to_its_end(page):
    place = section(page, "The learning rate")
    place.get_by_label("penalty α").fill("1")
    place.get_by_label("learning rate", exact=True).fill("20")
    go_on(page)
    assert "it diverges" in place.text_content()
    go_to(page, 2000)
    assert "epoch 2,000 of 2,000" in page.locator("output.epoch").text_content()
    assert "no longer finite" in place.text_content()
    assert "too large to be drawn" in section(page, "The loss surface").text_content()
    go_to(page, 3)
    assert page.locator(".plane .contour").count() > 0


def test_the_step_after_the_update_begins_the_next_epoch(page):
    assert "1 of 9: the row" in page.text_content("main")
    for _ in range(9):
        page.get_by_role("button", name="step", exact=True).click()
    assert "epoch 1 of 60" in page.locator("output.epoch").text_content()
    assert "1 of 9: the row" in page.text_content("main")


def test_a_changed_weight_is_not_certified(page):
    go_to(page, 20)
    page.get_by_label("w of body_mass_g").fill("50")
    assert "not certified" in page.get_by_text("The floor of the loss").text_content()
    page.get_by_label("w of body_mass_g").fill("500")
    assert "meets log(0) in" in section(page, "Checks").text_content()
    page.get_by_role("button", name="undo all changes").click()
    assert "certified optimum" in page.get_by_text("The floor of the loss").text_content()


def test_numbers_and_picture_are_exported(page):
    go_to(page, 7)
    with page.expect_download() as given:
        page.get_by_role("button", name="numbers as CSV").click()
    head, *lines = csv.reader(io.StringIO(given.value.path().read_text(encoding="utf-8")))
    assert head[:2] == ["epoch", "loss"]
    assert head[-1] == "b"
    assert [int(line[0]) for line in lines] == list(range(61))
    losses = [float(line[1]) for line in lines]
    assert losses[0] == pytest.approx(np.log(2.0), rel=1e-12)
    assert losses == sorted(losses, reverse=True)
    with page.expect_download() as given:
        page.get_by_role("button", name="graph as SVG").click()
    text = given.value.path().read_text(encoding="utf-8")
    assert text.startswith("<svg")
    assert 'xmlns="http://www.w3.org/2000/svg"' in text
    assert "Epoch 7." in text
    assert re.search(r"<rect[^>]*fill: rgb", text)  # readable in light and in dark
    assert "∂L/∂z" in text


def test_a_link_restores_the_state_and_a_wrong_one_does_nothing(page, browser, penguins):
    go_to(page, 33)
    page.get_by_role("button", name="step back").click()
    link = page.get_by_label("link to this state").input_value()
    again = opened(browser, penguins, "#" + link.split("#")[1])
    assert "epoch 33 of 60" in again.locator("output.epoch").text_content()
    assert "8 of 9" in again.get_by_text("of 9:").text_content()
    again.close()
    wrong = opened(browser, penguins, "#epoch=61&row=-1&step=<b>")
    assert "epoch 0 of 60" in wrong.locator("output.epoch").text_content()
    assert wrong.said == []
    wrong.close()


DROP = """text => {
  const data = new DataTransfer();
  data.items.add(new File([text], "own.csv", { type: "text/csv" }));
  document.querySelector(".drop").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


def test_a_dropped_table_is_trained_in_the_page(page):
    hostile = '<img src=x onerror="document.title=1">'
    head = f'"{hostile.replace(chr(34), chr(34) * 2)}",=cmd|calc,bought'
    lines = [f"{i % 7},{(i * 3) % 5},{'<script>document.title=2</script>' if i % 3 else 'no'}" for i in range(60)]
    page.evaluate(DROP, "\n".join([head, *lines]))
    page.get_by_role("button", name="train on it").click()
    page.get_by_role("heading", name="bought:").wait_for()
    page.get_by_role("button", name="one epoch on").click()
    assert page.title() == "See it learn"
    assert page.locator("img, main script").count() == 0
    assert page.get_by_text("<img src=x", exact=False).count() > 0


@pytest.mark.parametrize(
    "text",
    [
        "a;b;y\n{}".encode("utf-16"),
        "a;b;y\n{}".encode("utf-16-be").join([b"\xfe\xff", b""]),
        b'sep=;\r\na;"b";y\r\n{}',
        b"\xef\xbb\xbfa;b;y\r{}",
        b"a\tb\ty\n{}",
    ],
    ids=["utf-16", "utf-16-be", "sep", "bom", "tabs"],
)
def test_files_as_programs_write_them_are_read(page, tmp_path, text):
    kind = "utf-16-le" if text[:1] == b"\xff" else "utf-16-be" if text[:1] == b"\xfe" else "utf-8"
    separator, end = "\t" if b"\t" in text else ";", "\r" if b"y\r{" in text else "\n"
    rows = end.join(separator.join((str(i % 7), f"{i % 5},5", "ja" if i % 3 else "nein")) for i in range(30))
    (tmp_path / "own.csv").write_bytes(text.replace("{}".encode(kind), rows.encode(kind)))
    page.get_by_label("a CSV file of your own").set_input_files(tmp_path / "own.csv")
    page.get_by_role("button", name="train on it").click()
    page.get_by_role("heading", name="y: nein or ja?").wait_for()
    assert page.get_by_label("a in the table").input_value() == "0"
    assert page.get_by_label("b in the table").input_value() == "0.5"


def test_a_cell_that_makes_a_column_text_is_named(page):
    rows = "\n".join(f"{i % 7 if i != 4 else '-'},{i % 3}.5,{'ja' if i % 3 else 'nein'}" for i in range(30))
    page.evaluate(DROP, f"a,b,y\n{rows}")
    page.get_by_role("button", name="train on it").click()
    assert "Column a is taken for text, since - is no number." in page.locator("#notes").text_content()


@pytest.mark.parametrize(
    ("head", "cells", "reads", "value"),
    [
        ("pay;size;y", "1.234,50;1,75;{} 900;1,6;{}", "Read 1.234,50 as 1234.5 (pay), 1,75 as 1.75 (size).", "1234.5"),
        ("pay;size;y", "1.234;1,75;{} 2.500;1,6;{}", "Read 1.234 as 1234 (pay), 1,75 as 1.75 (size).", "1234"),
        ("pay,size,y", '"1,234",1.75,{} "12,500",1.6,{}', "Read 1,234 as 1234 (pay).", "1234"),
        ("pay;size;y", "1,234.50;2;{} 1,900;1;{}", "Read 1,234.50 as 1234.5 (pay).", "1234.5"),
        ("pay;size;y", "1,5;2;{} 2,25;1;{}", "Read 1,5 as 1.5 (pay).", "1.5"),
        ("pay,size,y", "1.5,2,{} 2e3,1,{}", "", "1.5"),
        ("code,pay,y", "01067,3,{} 80331,4,{}", "", None),
    ],
)
def test_numbers_of_a_dropped_table_are_read_as_it_writes_them(page, head, cells, reads, value):
    lines = [line.format(label) for _ in range(3) for line, label in zip(cells.split(), ("no", "yes"), strict=True)]
    page.evaluate(DROP, "\n".join([head, *lines]))
    page.get_by_role("button", name="train on it").click()
    page.get_by_role("heading", name="y: yes or no?").wait_for()
    assert page.locator("#notes").text_content() == f"{reads} Reload the page to have its own run again.".strip()
    if value is None:  # a code is no number
        assert page.get_by_label("code=80331 in the table").input_value() == "0"
    else:
        assert page.get_by_label("pay in the table").input_value() == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "needs a line of column names"),
        ("a,b\n", "needs a line of column names"),
        ("a,b\n1,2\n\n3\n", "Row 2 has 1 cells and the header 2"),
        ('a,b\n1,2\n3,"4\n5,6\n', "Row 2 can't be read"),
        ('a,b\n1,2\n\n3,4\n5,"6"7\n', "Row 3 can't be read"),
        ('a,"b\n1,2\n', "The header can't be read"),
        ("a,b\n1,x\n2,y\n3,z\n", "exactly two values"),
        ("a,b\nu,0\nu,1\n", "No column is left"),
        (
            "".join(f"{','.join([cell] * 202)}\n" for cell in ("a", "0", "1")),
            "201 coefficients; the page holds 200 at most",
        ),
    ],
)
def test_a_table_that_does_not_fit_is_refused_in_a_sentence(page, text, why):
    page.evaluate(DROP, text)
    said = section(page, "Your own data")
    train = said.get_by_role("button", name="train on it")
    page.wait_for_timeout(50)
    if train.count():
        train.click()
    playwright.expect(said.get_by_text(why)).to_be_visible()


def exercises(page):
    """Ask each exercise once: what it asks, and what the page says of an answer."""
    place, field = section(page, "Exercises"), page.get_by_label("your answer")

    def said(answer):
        field.fill(f"{answer:.9g}")
        place.get_by_role("button", name="check", exact=True).click()
        return place.locator("[role=status]").text_content()

    for _ in range(7):
        yield place.locator("p").nth(1).text_content(), said
        place.get_by_role("button", name="another").click()


@pytest.mark.parametrize("epoch", [30, 60])
def test_an_exercise_tells_right_from_wrong_and_speaks_of_a_sign_where_one_is_wrong(page, epoch):
    go_to(page, epoch)
    asked = 0
    for ask, said in exercises(page):
        if found := re.search(r"has g = (\S+) and y = (\d)\. What is ∂L/∂z", ask):
            answer = number(found[1]) - int(found[2])
            assert "Look at the sign" in said(-answer)
        elif found := re.search(r"is (\S+), and the rate is (\S+)\. What does the step add", ask):
            answer = -number(found[2]) * number(found[1])
            assert "Look at the sign" in said(-answer)
        else:
            continue
        asked += 1
        assert "Try again" in said(0)
        assert "Try again" in said(1.05 * answer)
        assert "Right" in said(answer)
    assert asked == 2


def test_the_numbers_of_an_exercise_are_enough_for_a_row_that_is_surely_right(page):
    go_to(page, 60)
    section(page, "All rows").get_by_role("button", name="loss").click()  # the best predicted come first
    section(page, "All rows").locator("tbody button").first.click()
    page.get_by_label("w of body_mass_g").fill("12")
    found = False
    for ask, said in exercises(page):
        if "What is its loss" in ask:
            less = number(re.search(r"1 − (.*?) and y = 1|g = (.*?) and y = 0", ask)[1])
            assert less < 0.01
            assert "Right" in said(-np.log1p(-less))
            assert "Try again" in said(0)
            found = True
    assert found


def test_the_learning_rate_says_why_it_has_a_limit_and_why_centring_helps(browser, penguins):
    page = opened(browser, penguins, viewport={"width": 390, "height": 900})
    place = section(page, "The learning rate")
    for title, formulas, said in (
        ("Why is there a limit?", 3, "positive for η < 2/L_max"),
        ("Why does centring help?", 2, "the first term"),
    ):
        place.get_by_text(title).click()
        playwright.expect(place.get_by_text(said)).to_be_visible()
        assert place.locator("details", has_text=title).locator("math").count() == formulas
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.said == []
    page.close()


def test_the_derivation_opens_at_each_step(page):
    page.get_by_role("button", name="start over").click()
    page.get_by_text("Why is that so?").click()
    seen = set()
    for _ in range(9):
        seen.add(page.locator("details", has_text="Why is that so?").text_content())
        page.get_by_role("button", name="step", exact=True).click()
    assert len(seen) == 9


def test_the_largest_page_is_small_opens_at_once_and_says_that_it_is_a_sample(browser, large):
    assert large.stat().st_size < 5e6
    started = time.perf_counter()
    page = opened(browser, large, viewport={"width": 390, "height": 900})
    assert time.perf_counter() - started < 10.0
    assert "holds a sample of 2,000" in page.text_content("main").replace("1,999", "2,000")
    assert "2,500 rows" in page.text_content("main")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert section(page, "The row's numbers").locator("tbody tr").count() == ONE_BY_ONE + 2  # b; the rest
    names = page.locator("svg.graph text.input").all_text_contents()
    assert len(set(names)) == len(names)  # long names stay different
    page.get_by_role("button", name="one epoch on").click()
    assert page.said == []
    page.close()


def test_the_weakest_of_many_columns_are_one_line_of_the_row_s_numbers(browser, large):
    page = opened(browser, large)
    numbers = section(page, "The row's numbers")
    first = numbers.locator("tbody th").nth(1)  # after b; none adds anything yet
    assert "number 000 of them" in first.get_attribute("title")
    go_to(page, 20)
    assert numbers.locator("tbody th").last.text_content() == f"{COLUMNS - ONE_BY_ONE} more, the weakest"
    adds = [number(cell) for cell in numbers.locator("tbody td:nth-last-child(3)").all_text_contents()]
    z = number(re.search(r"z = (\S+),", numbers.text_content())[1])
    assert sum(adds) == pytest.approx(z, abs=0.01)
    sizes = [abs(add) for add in adds[1:-1]]
    assert sizes == sorted(sizes, reverse=True)
    assert abs(adds[-1]) <= sizes[-1] * (COLUMNS - ONE_BY_ONE) * 1.01
    last = number(numbers.locator("tbody td:last-child").last.text_content())
    assert f"g = {last:.4f}" in numbers.text_content()
    assert page.said == []
    page.close()


def test_the_player_runs_within_a_report(browser, tmp_path):
    (tmp_path / "t.csv").write_text("a,b,y\n" + "".join(f"{i % 7},{i % 5},{(i * i) % 11 > 4}\n" for i in range(90)))
    words = ["fit", tmp_path / "t.csv", "--target", "y", "--alpha", "0.01", "--report", tmp_path / "r.html", "--player"]
    assert main([*map(str, words), "--quiet"]) == 0
    page, said = browser.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.goto((tmp_path / "r.html").as_uri())
    frame = page.frame_locator("iframe")
    frame.get_by_role("button", name="one epoch on").click()
    assert "epoch 1 of" in frame.locator("output.epoch").text_content()
    assert frame.locator(".badge strong").text_content() == "checked"
    frame.get_by_role("link", name="Checks").click()
    assert frame.locator(":focus").text_content() == "Checks"
    assert frame.locator("svg.graph").count() == 1
    assert frame.get_by_label("link to this state").count() == 0
    assert said == []
    page.close()
