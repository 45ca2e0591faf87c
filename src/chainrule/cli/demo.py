"""`chainrule demo`: male or female? A list of commands on the penguins, each shown before it runs."""

import io
import json
import shlex
import sys
from contextlib import redirect_stdout
from importlib.resources import files
from pathlib import Path

from chainrule.cli import DONE
from chainrule.cli.running import Voice, execute
from chainrule.documents import terminal
from chainrule.documents.blocks import Code, Heading, say
from chainrule.errors import InputError
from chainrule.model.files import write_atomically

FIT = "fit {dir}/penguins.csv --target sex --drop year --test-size 0.25 --alpha 0.004"
COMMANDS = {
    "The optimum": FIT + " --standardize --out {dir}/model.safetensors --report {dir}/report.html",
    "The same optimum by gradient descent": FIT
    + " --method gradient-descent --epochs 10000 --out {dir}/descent.safetensors",
    "A descent to watch in the browser": "play {dir}/penguins.csv --target sex --drop year --out {dir}/player.html",
    "The bird that the model gets right by the smallest margin": "explain {dir}/model.safetensors {dir}/penguins.csv --row 106",
}
NEXT = (
    "open {dir}/report.html",
    "open {dir}/player.html",
    "chainrule explain {dir}/descent.safetensors {dir}/penguins.csv --row 106 --epoch 1",
    "chainrule fit {dir}/penguins.csv --target sex --drop year --learning-rate auto --report {dir}/lesson.html --for learner",
    "chainrule predict {dir}/model.safetensors {dir}/penguins.csv",
    "chainrule fit YOUR.csv --target COLUMN --test-size 0.25 --report report.html",
)
SOURCE = (
    "Data: Gorman, Williams and Fraser (2014), PLoS ONE 9(3) e90081; Palmer Station LTER; from the Python package "
    "palmerpenguins 0.1.6, CC0."
)


def run(out_dir: Path, *, by_hand: bool, voice: Voice) -> int:
    """Run the commands on the embedded penguins, in a folder; a nonzero exit code of a command ends the demo."""
    if by_hand:
        return _by_hand(voice)
    from chainrule.cli.app import app

    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out-dir {out_dir} can't be made a folder: {error.strerror or error}") from None
    write_atomically(out_dir / "penguins.csv", (files("chainrule") / "data" / "penguins.csv").read_bytes())
    folder = shlex.quote(str(out_dir))
    more, told = ["--quiet"] * voice.messages.quiet + ["--json"] * voice.as_json, []
    results = terminal.results()
    results.quiet = voice.as_json  # then the document is all that is printed
    terminal.show(results, [Heading("Male or female? 344 penguins of the Palmer Archipelago, Antarctica", 1)])
    for says, line in COMMANDS.items():
        command = line.format(dir=folder)
        results.print()
        terminal.show(results, [Heading(says), Code([f"$ chainrule {command}"])])
        results.print()
        with redirect_stdout(io.StringIO() if voice.as_json else sys.stdout) as out:
            code = execute(app, shlex.split(command) + more)
        if code != DONE:
            return code
        told += [json.loads(out.getvalue())] if isinstance(out, io.StringIO) else []
    if voice.as_json:
        fit, descent, player, explained = told
        voice.tell({**explained, **fit, "command": "demo", "descent": descent, "player": player}, lambda _: ())
    results.print()
    terminal.show(results, [Heading("Next"), Code([line.format(dir=folder) for line in NEXT]), say(SOURCE, "note")])
    return DONE


def _by_hand(voice: Voice) -> int:
    from chainrule.documents import by_hand

    voice.tell({"command": "demo", **by_hand.students()}, by_hand.blocks)
    return DONE
