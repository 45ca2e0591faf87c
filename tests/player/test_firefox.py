"""The player's page in Firefox, driven through its own protocol (Marionette): by keyboard, forward, backward, and a fork."""

import json
import shutil
import socket
import subprocess
import time

import pytest

from browser_tools import number, played

FIREFOX = shutil.which("firefox") or shutil.which("firefox-esr")

pytestmark = pytest.mark.skipif(FIREFOX is None, reason="no Firefox: the player's page is not tested in it")

SHIFT, DOWN, RIGHT, LEFT = "\ue008", "\ue015", "\ue014", "\ue012"


class Firefox:
    """A Firefox without a window; `ask` sends a command of the protocol."""

    def __init__(self, folder):
        prefs = {"marionette.port": 0, "datareporting.policy.dataSubmissionEnabled": False, "app.update.enabled": False}
        lines = (f'user_pref("{name}", {json.dumps(value)});' for name, value in prefs.items())
        (folder / "user.js").write_text("\n".join(lines))
        words = [
            FIREFOX,
            "--headless",
            "--marionette",
            "--no-remote",
            "--profile",
            folder,
            "--width=1280",
            "--height=1000",
        ]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port = folder / "MarionetteActivePort"
        until = time.monotonic() + 60
        while not (port.exists() and port.read_text()):
            assert time.monotonic() < until, "Firefox did not start"
            time.sleep(0.1)
        with socket.create_connection(("127.0.0.1", int(port.read_text())), timeout=60) as connection:
            self.file = connection.makefile("rwb")  # keeps the connection
        self.read()
        self.ask("WebDriver:NewSession")

    def read(self):
        size = b""
        while (sign := self.file.read(1)) != b":":
            size += sign
        return json.loads(self.file.read(int(size)))

    def ask(self, name, **how):
        message = json.dumps([0, 1, name, how]).encode()
        self.file.write(b"%d:%s" % (len(message), message))
        self.file.flush()
        *_, error, answer = self.read()
        assert error is None, error
        return answer

    def run(self, script):
        return self.ask("WebDriver:ExecuteScript", script=script, args=[])["value"]

    def text(self, selector):
        return self.run(f"return document.querySelector({json.dumps(selector)}).textContent")

    def wait(self, script):
        """Wait until a script returns something."""
        until = time.monotonic() + 10
        while not self.run(script):
            assert time.monotonic() < until

    def press(self, *keys):
        """Press keys together."""
        acts = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp") for key in keys]
        self.ask("WebDriver:PerformActions", actions=[{"type": "key", "id": "keyboard", "actions": acts}])


@pytest.fixture(scope="module")
def firefox(tmp_path_factory):
    started = Firefox(tmp_path_factory.mktemp("profile"))
    yield started
    started.file.close()
    started.process.terminate()
    started.process.wait(30)


def test_a_row_is_followed_by_keyboard_in_firefox(firefox, tmp_path):
    page = played(tmp_path, "--epochs", "60")
    firefox.ask("WebDriver:Navigate", url=page.as_uri())
    assert firefox.text(".badge strong") == "checked"
    for _ in range(5):
        firefox.press(SHIFT, DOWN)
    assert firefox.text("output.epoch") == "epoch 5 of 60"
    for _ in range(8):
        firefox.press(SHIFT, LEFT)
    assert "not yet computed" in firefox.text("svg.graph")
    for step in range(2, 10):
        firefox.press(SHIFT, RIGHT)
        assert firefox.text(".steps output").startswith(f"{step} of 9")
    assert "not yet computed" not in firefox.text("main")
    assert firefox.run("return document.querySelector('.formula math').getBoundingClientRect().width") > 50
    assert firefox.run("return document.documentElement.scrollWidth <= innerWidth")
    assert firefox.run("return document.querySelector('canvas').getBoundingClientRect().width") > 200
    firefox.press(SHIFT, RIGHT)
    assert firefox.text("output.epoch") == "epoch 6 of 60"


def test_a_fork_and_a_dropped_table_in_firefox(firefox, tmp_path):
    page = played(tmp_path, "--epochs", "60")
    firefox.ask("WebDriver:Navigate", url=page.as_uri())
    firefox.run(
        """const rate = document.querySelector("[aria-label='learning rate']");
rate.value = "20";
rate.dispatchEvent(new Event("input"));
document.querySelector("#the-learning-rate .main").click();"""
    )
    firefox.wait("return !document.querySelector('[aria-busy=true]')")
    assert "oscillates" in firefox.text("#the-learning-rate")
    assert "not certified" in firefox.text("main > [role=status]")
    table = "a;b;y\\n" + "\\n".join(f"{i % 7},5;{i * 3 % 5};{'yes' if i % 3 else 'no'}" for i in range(60))
    firefox.run(
        f"""const given = new DataTransfer();
given.items.add(new File(["{table}"], "own.csv"));
document.querySelector(".drop").dispatchEvent(new DragEvent("drop", {{ dataTransfer: given, cancelable: true }}));"""
    )
    firefox.wait("return !!document.querySelector('.drop .main')")
    firefox.run("document.querySelector('.drop .main').click()")
    assert firefox.text("h1") == "y: yes or no?"
    first = firefox.run("return document.querySelector(\"[aria-label='a in the table']\").value")
    assert number(first) == 0.5
