"""The command as the shell runs it: start-up, help, pipes, Ctrl-C."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time

import pytest

import chainrule
from chainrule.cli import main
from chainrule.model.model import load_model, load_trace, trace_belongs
from cli_tools import COMMAND, FIT, copy_penguins, run

__all__ = ["run"]

HEAVY = ("numpy", "scipy", "sklearn", "pyarrow", "matplotlib", "jinja2", "safetensors", "pandas",
         "chainrule.fitting.fit", "chainrule.graph")  # fmt: skip


def loaded_after(code: str) -> list[str]:
    """Run Python code in a fresh process and list which heavy modules it loaded."""
    program = f"import sys\n{code}\nprint([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=900)
    return json.loads(done.stderr.splitlines()[-1].replace("'", '"'))


def test_help_version_and_mistakes_load_nothing_heavy():
    words = [["--help"], ["fit", "--help"], ["explain", "--help"], ["--version"], ["fit", "t.csv", "--nonsense"], []]
    assert loaded_after(f"from chainrule.cli import main\nfor words in {words!r}: main(words)") == []


def test_no_command_loads_scikit_learn(tmp_path):
    table = copy_penguins(tmp_path)
    model = str(tmp_path / "m.safetensors")
    commands = [
        ["fit", str(table), *FIT, "--out", model, "--quiet"],
        ["predict", model, str(table)],
        ["evaluate", model, str(table)],
        ["certify", model, str(table)],
        ["explain", model, str(table), "--row", "1", "--picture", str(tmp_path / "g.svg")],
        ["demo", "--out-dir", str(tmp_path / "demo")],
    ]
    code = f"from chainrule.cli import main\nfor words in {commands!r}: assert main(words) == 0"
    loaded = loaded_after(code)
    assert "sklearn" not in loaded
    assert {"numpy", "pyarrow", "matplotlib"} <= set(loaded)


def test_predicting_draws_nothing(tmp_path):
    table, model = copy_penguins(tmp_path), str(tmp_path / "m.safetensors")
    assert main(["fit", str(table), *FIT, "--out", model, "--epochs", "3", "--quiet", "--json"]) == 0
    for command in ("predict", "evaluate"):
        loaded = loaded_after(
            f"from chainrule.cli import main\nassert main([{command!r}, {model!r}, {str(table)!r}]) == 0"
        )
        assert not {"matplotlib", "jinja2", "sklearn", "scipy"} & set(loaded)
    loaded = loaded_after(f"from chainrule.cli import main\nassert main(['predict', {model!r}, {str(table)!r}]) == 0")
    assert not {"chainrule.fitting.fit", "chainrule.graph"} & set(loaded)


def test_version_and_help(run):
    outcome = run("--version")
    assert (outcome.code, outcome.out) == (0, f"chainrule {chainrule.__version__}\n")
    outcome = run("--help")
    assert outcome.code == 0
    for command in ("demo", "fit", "certify", "predict", "evaluate", "explain"):
        assert command in outcome.out
        assert run(command, "--help").code == 0


def test_the_module_is_the_command(tmp_path):
    done = subprocess.run([sys.executable, "-m", "chainrule", "--version"], capture_output=True, text=True, timeout=900)
    assert (done.returncode, done.stdout) == (0, f"chainrule {chainrule.__version__}\n")
    done = subprocess.run([COMMAND, "fit", "absent.csv", "--target", "y"], capture_output=True, text=True, timeout=900)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("chainrule: ")
    assert done.stderr.count("\n") == 1


def test_a_reader_who_leaves_early_is_no_error(tmp_path):
    table, model = copy_penguins(tmp_path), tmp_path / "m.safetensors"
    assert main(["fit", str(table), *FIT, "--out", str(model), "--epochs", "3", "--quiet", "--json"]) == 0
    process = subprocess.Popen(
        [COMMAND, "predict", str(model), str(table), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    err = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(timeout=900) == 0
    assert "Traceback" not in err
    assert "Broken" not in err


def start_endless_fit(table, *words):
    """Start a fit that won't end, its stderr a terminal; return the process and what reads that terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "fit", str(table), *FIT, "--learning-rate", "1e-12", "--epochs", "2000000000", *words],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "80"},
        # a parent that ignores Ctrl-C, as a shell's background job does, would hand that down
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    os.close(theirs)
    return process, ours


def read_until(terminal: int, text: str, seconds: float = 900) -> str:
    seen = ""
    until = time.monotonic() + seconds
    while text not in seen:
        assert time.monotonic() < until, seen
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # Linux: the other end was closed
            break
        if not chunk:
            break
        seen += chunk.decode(errors="replace")
    return seen


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_ctrl_c_leaves_the_state_so_far_and_the_bar_is_live(tmp_path):
    table, model = copy_penguins(tmp_path), tmp_path / "m.safetensors"
    process, terminal = start_endless_fit(table, "--out", str(model), "--test-size", "0.25")
    try:
        seen = read_until(terminal, "held out 0.69")
        # a later drawing: the bar is live, and there is more than the start
        while not re.search(r"epoch [1-9][\d,]* of 2,000,000,000", seen):
            seen = read_until(terminal, "held out 0.69")
            assert seen, "the command has ended"
        process.send_signal(signal.SIGINT)
        end = read_until(terminal, "never there")
        out, _ = process.communicate(timeout=900)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        os.close(terminal)
    assert process.returncode == 130
    assert "interrupted: the state after epoch" in end
    assert str(model) in end.replace("\r\n", "")
    assert "Traceback" not in end
    assert "interrupted after" in out
    assert load_model(model).info["reason"] == "interrupted"
    assert trace_belongs(load_model(model), load_trace(tmp_path / "m.trace"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.safetensors", "m.trace", "penguins.csv"]


def test_ctrl_c_before_training_is_clean(run, monkeypatch, tmp_path):
    def stopped(*_args, **_more):
        raise KeyboardInterrupt

    monkeypatch.setattr("chainrule.data.files.read_table", stopped)
    monkeypatch.setattr("chainrule.cli.fit.read_table", stopped)
    outcome = run("fit", copy_penguins(tmp_path), *FIT, "--out", tmp_path / "m.safetensors")
    assert outcome == (130, "", "chainrule: interrupted before the end; no file is half-written\n")
    assert not (tmp_path / "m.safetensors").exists()


def shell(text, folder, **more):
    """Run a line of the shell in a folder, `chainrule` being this environment's; return the finished process."""
    line = f'set -o pipefail; chainrule() {{ {COMMAND} "$@"; }}; {text}'
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=900,
        env=os.environ | {"COLUMNS": "80"}, **more,
    )  # fmt: skip


FIT_LINE = "chainrule fit penguins.csv --target sex --drop year --epochs 5"


def fitted(folder):
    """The penguins and a model of them, m.st, in a folder: no process of its own."""
    table = str(copy_penguins(folder))
    assert main(["fit", table, *FIT, "--epochs", "5", "--out", str(folder / "m.st"), "--quiet", "--json"]) == 0


@pytest.mark.parametrize(
    ("pipe", "report"),
    [
        ("2>&1 | true", True),
        ("2> >(true)", False),
        ("2>&-", False),
        (">&-", False),
        (">&- 2>&-", True),
    ],
)
def test_streams_that_nobody_reads_do_not_stop_the_work(tmp_path, pipe, report):
    copy_penguins(tmp_path)
    done = shell(f"{FIT_LINE} --out m.safetensors {'--report r.html' if report else ''} {pipe}", tmp_path)
    assert done.returncode == 0, done
    assert "Traceback" not in done.stderr
    assert "ignored" not in done.stderr
    assert load_model(tmp_path / "m.safetensors").info["n_epochs"] == 5
    assert trace_belongs(load_model(tmp_path / "m.safetensors"), load_trace(tmp_path / "m.trace"))
    assert not report or (tmp_path / "r.html").read_text().endswith("</html>")


def test_demo_into_a_pipe_that_closes_writes_its_files(tmp_path):
    done = shell("chainrule demo 2>&1 | head -1", tmp_path)
    assert done.returncode == 0, done
    written = sorted(path.name for path in (tmp_path / "demo").iterdir())
    models = ["descent.safetensors", "descent.trace", "model.safetensors", "model.trace"]
    assert written == [*models, "penguins.csv", "player.html", "report.html"]


def test_notes_never_go_to_stdout_when_stderr_is_closed(tmp_path):
    fitted(tmp_path)
    done = shell("chainrule predict m.st penguins.csv 2>&-", tmp_path)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 345)


def test_closed_stdout_is_a_mistake_where_nothing_else_is_written(tmp_path):
    fitted(tmp_path)
    for words in ("predict m.st penguins.csv", "evaluate m.st penguins.csv", "explain m.st penguins.csv --row 1"):
        done = shell(f"chainrule {words} >&-", tmp_path)
        assert done.returncode == 2, done
        assert done.stderr == "chainrule: stdout is closed, so the results can't be printed: open it, or name a file\n"
    done = shell("chainrule predict m.st penguins.csv --out p.csv >&-", tmp_path)
    assert done.returncode == 0
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 345


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux")
def test_full_disk_below_stdout_is_one_sentence(tmp_path):
    fitted(tmp_path)
    done = shell("chainrule predict m.st penguins.csv -q > /dev/full", tmp_path)
    assert (done.returncode, done.stderr) == (2, "chainrule: can't write to stdout: no space left on device\n")


def test_outputs_that_are_no_files_are_written_straight(tmp_path):
    fitted(tmp_path)
    plain = shell("chainrule predict m.st penguins.csv", tmp_path).stdout
    assert shell("chainrule predict m.st penguins.csv --out /dev/stdout --quiet | cat", tmp_path).stdout == plain
    assert (
        shell("chainrule predict m.st penguins.csv --out >(cat > copy) --quiet; sleep 1; cat copy", tmp_path).stdout
        == plain
    )
    assert shell("chainrule predict m.st penguins.csv --out /dev/stdout -q >> kept", tmp_path).returncode == 0
    assert (tmp_path / "kept").read_text() == plain
    assert shell("chainrule predict m.st penguins.csv --out /dev/stdout -q | true", tmp_path).returncode == 0
    os.mkfifo(tmp_path / "fifo")
    done = shell("cat fifo & chainrule predict m.st penguins.csv --out fifo -q; wait", tmp_path)
    assert (done.returncode, done.stdout) == (0, plain)
    done = shell(f"{FIT_LINE} --out >(cat > m2.st) --quiet; sleep 1; cmp m.st m2.st", tmp_path)
    assert done.returncode == 0, done
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "copy",
        "fifo",
        "kept",
        "m.st",
        "m.st.trace",
        "m2.st",
        "penguins.csv",
    ]
