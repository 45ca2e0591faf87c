"""`chainrule demo`: the penguins, from a table to a model, a report and eleven predictions."""

import shlex
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from chainrule.cli import DONE, INTERRUPTED
from chainrule.cli.documents import descent_document, fit_document, gradient_document
from chainrule.cli.fit import Writer, tell_interrupt, tell_warnings, train_watched, write_files, writers
from chainrule.cli.outputs import check_outputs, make_folder, plain, print_json
from chainrule.data.files import read_table
from chainrule.documents import results, rows, terminal
from chainrule.documents.blocks import Block, Code, Facts, Heading, say
from chainrule.findings import SHELL
from chainrule.fitting.spec import FitSpec
from chainrule.model.files import write_atomically
from chainrule.model.model import trace_path
from chainrule.training import Prepared, Training, closest_call, explain, prepare

FEATURES = ("species", "island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
EPOCHS = 10_000
TITLE = "Penguins: male or female?"
SOURCE = (
    "Data: Gorman, Williams and Fraser (2014), PLoS ONE 9(3) e90081; Palmer Station LTER; from the Python package "
    "palmerpenguins 0.1.6, CC0"
)


def run_demo(out_dir: Path, *, as_json: bool, quiet: bool) -> int:
    """Go to the optimum of the penguins, and there again by gradient descent; show everything, write all of it."""
    make_folder("--out-dir", out_dir)
    paths = demo_files(out_dir)
    check_outputs({f"--out-dir ({name})": path for name, path in paths.items()})
    messages = terminal.messages(quiet=quiet)
    prepared = prepare_penguins()
    for text in prepared.notes:
        terminal.note(messages, text)
    optimum = train_watched(prepared, optimum_spec(prepared), messages)
    descent = optimum if optimum.interrupted else train_watched(prepared, descent_spec(prepared), messages)
    training, learning = optimum.training, descent.training
    row = closest_call(training)
    written = write_files(paths, demo_writers(training, learning))
    for watched in (optimum, descent):
        tell_warnings(messages, watched, as_json=as_json)
    explanation, whole, part = explain(training.model, prepared.design, row)
    document = fit_document(training, str(paths["data"]), written) | {
        "command": "demo",
        "method": training.result.method,
        "epochs": training.result.n_epochs,
        "descent": descent_document(learning, training),
        "whole_gradient": gradient_document(whole),
        "explanation": plain(explanation.to_dict()) | {"part": part},
    }
    if as_json:
        print_json(document)
    else:
        terminal.show(terminal.results(), demo(document))
    if descent.interrupted or written != paths:
        tell_interrupt(messages, learning, paths, written)
        return INTERRUPTED
    return DONE


def demo(document: Mapping[str, Any]) -> list[Block]:
    """Tell what it is, the fit, gradient descent to the same optimum, one bird, the birds of unknown sex, what to try next."""
    told, result = document["descent"], document["descent"]["result"]
    apart = "no coefficient differs by more than {apart:2} from those of newton's {steps:step}"
    birds = results.predictions(document, EPOCHS, f"The {len(document['predictions'])} birds of unknown sex", "")
    return [
        Heading("Male or female? 344 penguins of the Palmer Archipelago, Antarctica", 1),
        *results.fit(document),
        Heading("The same optimum by gradient descent"),
        Heading("w <- w - learning rate dL_dw, b <- b - learning rate dL_db", 3),
        results.epochs_table(told["epochs"]),
        Facts(
            [
                ("learning rate", results.rate(result)),
                *results.ending(result)[:2],
                ("difference", say(apart, apart=told["largest_difference"], steps=document["result"]["n_epochs"])),
            ]
        ),
        *rows.explanation(document),
        *birds,
        say("Rows 4 and 272 have no measure at all: theirs are put at the mean.", "note"),
        *_next(document),
    ]


def _next(document: Mapping[str, Any]) -> list[Block]:
    paths = {name: shlex.quote(path) for name, path in document["files"].items() if path}
    if not {"model", "data", "descent", "descent's trace", "report"} <= set(paths):
        return []
    row = document["explanation"]["row"]
    return [
        Heading("Next"),
        Code(
            [
                f"open {paths['report']}",
                f"chainrule explain {paths['descent']} {paths['data']} --row {row} --epoch 1",
                f"chainrule predict {paths['model']} {paths['data']}",
                "chainrule fit YOUR.csv --target COLUMN --test-size 0.25 --report report.html",
            ]
        ),
    ]


def demo_files(folder: Path) -> dict[str, Path | None]:
    """Name what the demo writes."""
    model, descent = folder / "model.safetensors", folder / "descent.safetensors"
    return {
        "model": model,
        "trace": trace_path(model),
        "descent": descent,
        "descent's trace": trace_path(descent),
        "report": folder / "report.html",
        "data": folder / "penguins.csv",
    }


def demo_writers(training: Training, learning: Training) -> dict[str, Writer]:
    """Give what writes each of them."""

    def report(path: Path) -> None:
        from chainrule.cli.reporting import write_report

        write_report(path, training, TITLE, learning=learning, sources=(SOURCE,))

    def data(path: Path) -> None:
        write_atomically(path, (files("chainrule") / "data" / path.name).read_bytes())

    mine, its = writers(training, TITLE), writers(learning, TITLE)
    return mine | {"descent": its["model"], "descent's trace": its["trace"], "report": report, "data": data}


def prepare_penguins() -> Prepared:
    """Read the embedded penguins and hold out a quarter of the birds of known sex."""
    with as_file(files("chainrule") / "data" / "penguins.csv") as path:
        table = read_table(path)
    return prepare(table, "sex", features=FEATURES, test_size=0.25, seed=0)


def optimum_spec(prepared: Prepared, **options: Any) -> FitSpec:
    """Go to the optimum with a light penalty: alpha is 1 over the number of training rows."""
    return FitSpec.of(SHELL, alpha=1 / len(prepared.train), standardize=True, **options)


def descent_spec(prepared: Prepared) -> FitSpec:
    """Minimise the same objective by gradient descent."""
    return optimum_spec(prepared, method="gradient-descent", epochs=EPOCHS)
