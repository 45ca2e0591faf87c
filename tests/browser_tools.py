"""What the tests of the player's page share: a browser, and how its page is read."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chainrule.cli import main

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="no playwright: the player's page is not tested in a browser"
)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: the player's page is not tested in a browser")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        with started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]) as browser:
            yield browser


def played(folder: Path, *words: object) -> Path:
    """Write a player's page into a folder."""
    out = folder / "player.html"
    assert main(["play", *map(str, words), "--out", str(out), "--quiet"]) == 0
    return out


def opened(browser: Any, path: Path, fragment: str = "", **how: Any) -> Any:
    """Open a page; `said` lists each message, error and request of its own that should not be."""
    page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **how})
    page.said = []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda asked: asked.url.startswith(("file:", "blob:")) or page.said.append(asked.url))
    page.goto(path.as_uri() + fragment)
    page.wait_for_selector("svg.graph")
    playwright.expect(page.locator("[aria-busy=true]")).to_have_count(0, timeout=60_000)
    return page


@pytest.fixture
def page(browser: Any, penguins: Path) -> Iterator[Any]:
    """The page of the module's fixture `penguins`: no message, error or request is left when a test ends."""
    page = opened(browser, penguins)
    yield page
    assert page.said == []
    page.close()


def go_to(page: Any, epoch: int) -> None:
    """Move the slider to an epoch."""
    page.get_by_label("epoch", exact=True).fill(str(epoch))


def section(page: Any, heading: str) -> Any:
    """Return the card with a heading."""
    return page.locator("section", has=page.get_by_role("heading", name=heading, exact=True))


def number(text: str) -> float:
    """Read a number as the page writes it."""
    text = text.replace("−", "-").replace(",", "").replace("–", "nan").strip()
    found = re.fullmatch(r"(-?[\d.]+)\s×\s10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", text)
    if found:
        return float(found[1]) * 10.0 ** int(found[2].translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))
    return float(text)


def press(page: Any, name: str) -> None:
    """Click a button."""
    page.get_by_role("button", name=name, exact=True).click()


def go_on(page: Any) -> None:
    """Train a run from here, and wait until it is shown."""
    press(page, "go on from here")
    playwright.expect(page.locator("[aria-busy=true]")).to_have_count(0)
