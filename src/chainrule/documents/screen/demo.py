"""All of the demo, in a terminal."""

import shlex
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from chainrule.documents.layout import DIM, HEADING, print_facts, print_heading, print_table, print_text
from chainrule.documents.screen.explaining import print_explanation
from chainrule.documents.screen.fitting import print_fit, print_predictions, rate_line, run_and_certificate
from chainrule.documents.screen.words import Document, fixed, number, percent, seconds
from chainrule.errors import printable as visible


def print_demo(console: Console, document: Document) -> None:
    """Print all of the demo: what it is, the fit, one bird, the birds of unknown sex, what to try next."""
    print_text(console, "Male or female? 344 penguins of the Palmer Archipelago, Antarctica", style=HEADING, indent="")
    print_fit(console, document)
    _print_descent(console, document)
    print_explanation(console, document)
    print_heading(console, f"The {len(document['predictions'])} birds of unknown sex")
    print_predictions(console, document["predictions"], document["positive"])
    print_text(console, "Rows 4 and 272 have no measure at all: theirs are put at the mean.", style=DIM)
    paths = {name: shlex.quote(path) for name, path in document["files"].items() if path}
    if not {"model", "data", "descent", "descent's trace"} <= set(paths):
        return
    print_heading(console, "Next")
    if "report" in paths:
        console.print(Text(f"  open {visible(document['files']['report'])}"), soft_wrap=True)
    row = document["explanation"]["row"]
    for command in (
        f"chainrule explain {paths['descent']} {paths['data']} --row {row} --epoch 1",
        f"chainrule predict {paths['model']} {paths['data']}",
        "chainrule fit YOUR.csv --target COLUMN --test-size 0.25 --report report.html",
    ):
        console.print(Text(f"  {visible(command)}"), soft_wrap=True)


def _print_descent(console: Console, document: Document) -> None:
    """Print how gradient descent came to the same optimum."""
    result, told = document["descent"]["result"], document["descent"]
    run, certificate = run_and_certificate(result)
    print_heading(console, "The same optimum by gradient descent")
    print_text(console, "w <- w - learning rate dL_dw, b <- b - learning rate dL_db", style=DIM)
    held_out = "held_out_loss" in told["epochs"][-1]
    heads = ["epoch", "log-loss", *(["held out"] if held_out else []), "accuracy", "largest dL_dw", "F - F* at most"]
    print_table(console, heads, [_epoch_line(line, held_out) for line in told["epochs"]])
    console.print()
    print_facts(
        console,
        [
            ("learning rate", rate_line(result)),
            ("training", f"{run} ({seconds(result['seconds'])})"),
            ("certificate", certificate),
            (
                "difference",
                f"no coefficient differs by more than {number(told['largest_difference'], 2)} from those of "
                f"newton's {document['result']['n_epochs']} steps",
            ),
        ],
    )


def _epoch_line(line: Mapping[str, Any], held_out: bool) -> list[str]:
    return [
        f"{line['epoch']:,}",
        fixed(line["loss"]),
        *([fixed(line["held_out_loss"])] if held_out else []),
        percent(line["accuracy"]),
        number(line["grad_norm"], 2),
        number(line["gap"], 2),
    ]
