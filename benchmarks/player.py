"""Script in each frame while the player plays 500 rows x 30 columns: ms, at most 8 wanted. Needs playwright and Chromium.

It is time of the page's own thread, as Chromium traces it, so that other work on the machine hardly counts. Each line is a page
that was opened anew and scrolled to a heading, since a view is drawn while it can be seen.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import chainrule

ROWS, COLUMNS, SECONDS = 500, 30, 8
SCRIPTS = ("FireAnimationFrame", "TimerFire")
PLACES = ("One row, forward and backward", "The row's numbers", "How the loss falls", "The decision map", "Checks")


def traced(browser: Any, path: Path, heading: str) -> list[dict[str, Any]]:
    """Play a page that is scrolled to a heading; return what Chromium traced."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(path.as_uri())
    page.wait_for_selector("svg.graph")
    if heading != PLACES[0]:  # the page opens there
        page.get_by_role("heading", name=heading, exact=True).evaluate("heading => heading.scrollIntoView()")
    browser.start_tracing(page=page, categories=["devtools.timeline"])
    page.get_by_role("button", name="play", exact=True).click()
    page.wait_for_timeout(1000 * SECONDS)
    events: list[dict[str, Any]] = json.loads(browser.stop_tracing())["traceEvents"]
    page.close()
    return events


def frames(events: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the ms of script in each frame that had some, and the ms of garbage collection among them."""
    drawn = sorted(event["ts"] for event in events if event["name"] == "Layerize")
    ran = sorted((e["ts"], e["dur"], e["tdur"]) for e in events if e["name"] in SCRIPTS and "tdur" in e)
    starts, walls, took = np.array(ran).T
    frame = np.searchsorted(drawn, starts)  # a frame may have several callbacks
    total = np.bincount(frame, took / 1000.0)
    collected = np.zeros_like(total)
    for event in events:
        if event["name"] in ("MinorGC", "MajorGC") and "tdur" in event:
            k = np.searchsorted(starts, event["ts"], side="right") - 1
            if k >= 0 and event["ts"] < starts[k] + walls[k]:
                collected[frame[k]] += event["tdur"] / 1000.0
    return total[total > 0.1], collected[total > 0.1]


def main() -> None:
    """Measure, and print one line for each place."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        print("player: no Chromium or no playwright: not measured")
        return
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, COLUMNS))
    y = X @ rng.normal(size=COLUMNS) + 3.0 * rng.logistic(size=ROWS) > 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "player.html"
        chainrule.fit(X, y).play(X, y, path)
        with (
            sync_playwright() as started,
            started.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]) as browser,
        ):
            played = [frames(traced(browser, path, heading)) for heading in PLACES]
    for heading, (took, collected) in zip(PLACES, played, strict=True):
        median, most, largest = np.percentile(took, [50, 95, 100])
        print(
            f"player, {ROWS} x {COLUMNS}, {heading}: {median:.1f} ms of script in the median frame of {len(took)}, "
            f"95 in 100 below {most:.1f} ms, the longest {largest:.1f} ms, of which {collected[took.argmax()]:.1f} ms "
            "collected garbage"
        )


if __name__ == "__main__":
    sys.exit(main())
