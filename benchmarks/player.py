"""Script in each frame while the player plays 500 rows x 30 columns: ms, at most 8 wanted. Needs playwright and Chromium.

It is time of the page's own thread, as Chromium traces it, so that other work on the machine hardly counts.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

import chainrule

ROWS, COLUMNS, SECONDS = 500, 30, 8


def frames(path: Path, chromium: str) -> np.ndarray:
    """Play a page; return the ms of script in each frame that had some."""
    from playwright.sync_api import sync_playwright

    with (
        sync_playwright() as started,
        started.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]) as browser,
    ):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(path.as_uri())
        page.wait_for_selector("svg.graph")
        browser.start_tracing(page=page, categories=["devtools.timeline"])
        page.get_by_role("button", name="play", exact=True).click()
        page.wait_for_timeout(1000 * SECONDS)
        events = json.loads(browser.stop_tracing())["traceEvents"]
    drawn = sorted(event["ts"] for event in events if event["name"] == "Layerize")
    ran = [event for event in events if event["name"] == "FireAnimationFrame" and "tdur" in event]
    frame = np.searchsorted(drawn, [event["ts"] for event in ran])  # a frame may have several callbacks
    total = np.bincount(frame, [event["tdur"] / 1000.0 for event in ran])
    return total[total > 0.1]


def main() -> None:
    """Measure, and print one line."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        import playwright  # noqa: F401
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
        took = frames(path, chromium)
    median, most, largest = np.percentile(took, [50, 95, 100])
    print(
        f"player, {ROWS} x {COLUMNS}: {median:.1f} ms of script in the median frame of {len(took)}, "
        f"95 in 100 below {most:.1f} ms, the longest {largest:.1f} ms"
    )


if __name__ == "__main__":
    sys.exit(main())
