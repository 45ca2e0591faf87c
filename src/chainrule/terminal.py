"""What a person sees in a terminal: tables, a progress bar, notes. It prints documents that `--json` gives as well.

Every name that comes from the data is put in as plain text: a column called `[red]` is shown, not obeyed.
"""

import math
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

Document = Mapping[str, Any]

HEADING = "bold"
DIM = "dim"
SHOWN = 30  # features in a table; --json gives all


def results() -> Console:
    """Make the console of the results: stdout."""
    return Console(file=sys.stdout, highlight=False, emoji=False)


def messages(*, quiet: bool = False) -> Console:
    """Make the console of progress and notes: stderr, or nothing."""
    return Console(file=sys.stderr, highlight=False, emoji=False, quiet=quiet)


def note(console: Console, text: str) -> None:
    """Print one note on stderr, whole on one line where stderr is a file."""
    console.print(Text.assemble(("note: ", "yellow"), text), soft_wrap=not console.is_terminal)


def number(value: float | None, digits: int = 4) -> str:
    """Write a number with `digits` significant digits; what is not there or not finite says so."""
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    text = f"{value:.{digits}g}"
    if "e" in text or value == 0:
        return text
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"


def fixed(value: float | None, places: int = 4) -> str:
    """Write a number with `places` decimals."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.{places}f}"


def percent(value: float | None) -> str:
    """Write a share as a percentage with one decimal."""
    return "-" if value is None else f"{100 * value:.1f} %"


def grid(columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1, rule: bool = True) -> Padding:
    """Make a calm table: one rule below the heading, the first `left` columns flush left, numbers flush right."""
    table = Table(box=box.SIMPLE_HEAD if rule else None, pad_edge=False, show_edge=False, header_style=HEADING)
    for index, name in enumerate(columns):
        table.add_column(
            Text(name), justify="left" if index < left else "right", overflow="fold", no_wrap=index >= left
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return Padding(table, (0, 0, 0, 2))


def facts(pairs: Sequence[tuple[str, str]]) -> Padding:
    """Make lines of a name and what it is, the second column wrapped in itself."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style=DIM, no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in pairs:
        table.add_row(Text(name), Text(text))
    return Padding(table, (0, 0, 0, 2))


def heading(console: Console, text: str) -> None:
    """Print an empty line and a heading."""
    console.print()
    console.print(Text(text, style=HEADING))


def most_important(entries: Sequence[Document], key: str) -> tuple[list[Document], list[str]]:
    """Keep the entries with the largest |entry[key]|, in their order, and say how many more there are."""
    if len(entries) <= SHOWN:
        return list(entries), []
    order = sorted(range(len(entries)), key=lambda i: -abs(entries[i][key] or 0.0))[:SHOWN]
    return [entries[i] for i in sorted(order)], [f"and {len(entries) - SHOWN:,} smaller ones (--json gives all)"]


class FitProgress:
    """A live progress bar of a fit; nothing at all where stderr is no terminal.

    console: the console of messages. Call it once an epoch with the fit's step and the held-out figures.
    """

    PAUSE = 0.08  # seconds between two drawings: an epoch takes microseconds

    def __init__(self, console: Console) -> None:
        self._live = console.is_terminal and not console.quiet
        self._drawn = 0.0
        self._task: TaskID | None = None
        self._progress = Progress(
            TextColumn("epoch {task.completed:,.0f} of {task.total:,.0f}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[figures]}"),
            console=console,
            auto_refresh=False,
            transient=True,
        )

    def __enter__(self) -> Self:
        if self._live:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._progress.stop()

    def __call__(self, step: Any, held_out: Mapping[str, float]) -> None:
        """Draw this epoch, unless the last drawing is too near."""
        now = time.monotonic()
        if not self._live or now - self._drawn < self.PAUSE:
            return
        self._drawn = now
        text = f"loss {step.loss:.4f}"
        if "held_out_loss" in held_out:
            text += f", held out {held_out['held_out_loss']:.4f}"
        if self._task is None:
            self._task = self._progress.add_task("", total=step.max_reads, figures=text)
        self._progress.update(self._task, completed=step.epoch, figures=text, refresh=True)


def print_fit(console: Console, document: Document) -> None:
    """Print what a fit gave: the objective, the learning rate, the figures, the coefficients, what happened."""
    result = document["result"]
    positive, negative = document["positive"], document["negative"]
    counts = document["rows"]
    rows = [f"{counts['training']:,} to train on"]
    rows += [f"{counts['held_out']:,} held out"] if counts["held_out"] else []
    rows += [f"{counts['set_aside']:,} set aside, {document['target']} unknown"] if counts["set_aside"] else []
    console.print(
        facts(
            [
                ("target", f"{document['target']}: {positive} is y = 1, {negative} is y = 0"),
                ("rows", ", ".join(rows)),
                ("objective", result["objective_line"]),
                ("learning rate", _rate(result)),
            ]
        )
    )
    heading(console, "How well it does")
    console.print(_figures_table(document))
    heading(console, f"Coefficients: log-odds of {positive}")
    console.print(_coefficients_table(document))
    heading(console, "What happened")
    console.print(facts(_outcome(document)))


def _rate(result: Document) -> str:
    rate, limit = result["learning_rate"], result["learning_rate_limit"]
    text = f"{number(rate)}; up to {number(limit)} the loss can't rise"
    return text if rate is None or limit is None or rate <= limit else f"{text}: it may rise or oscillate"


def _figures_table(document: Document) -> Padding:
    parts = [("training", document["training"])]
    if document["held_out"]:
        parts.append(("held out", document["held_out"]))
    return figures_grid(parts)


def figures_grid(parts: Sequence[tuple[str, Document]]) -> Padding:
    """Make the table of loss, accuracy and AUC, with the base rate's own loss and accuracy beside them."""
    return grid(
        ["rows", "number", "log-loss", "base rate's", "accuracy", "base rate's", "AUC"],
        [
            [
                name,
                f"{part['rows']:,}",
                fixed(part["loss"]),
                fixed(part["base_loss"]),
                percent(part["accuracy"]),
                percent(part["base_accuracy"]),
                fixed(part["auc"]),
            ]
            for name, part in parts
        ],
    )


def _coefficients_table(document: Document) -> Padding:
    shown, rest = most_important(document["coefficients"], "w_fit")
    standardized = any(entry["scale"] != 1 or entry["center"] != 0 for entry in shown)
    columns = ["feature", "w, one unit", "odds x"] + (["w, one deviation", "odds x"] if standardized else [])
    rows = [["b", number(document["intercept"]["b"]), ""] + (["", ""] if standardized else [])]
    for entry in shown:
        row = [entry["name"], number(entry["w"]), number(entry["odds_ratio"])]
        if standardized:
            scaled = entry["scale"] != 1 or entry["center"] != 0
            row += [number(entry["w_fit"]), number(entry["odds_ratio_fit"])] if scaled else ["", ""]
        rows.append(row)
    return grid(columns, rows + [[text] for text in rest])


def _outcome(document: Document) -> list[tuple[str, str]]:
    result = document["result"]
    pairs = [("training", f"{result['method']}, {result['n_epochs']:,} epochs: {result['message']}")]
    pairs += [("wrote", f"{path} ({name})") for name, path in document["files"].items() if path]
    return pairs


def print_predictions(console: Console, predictions: Sequence[Document], positive: str) -> None:
    """Print predictions as a table."""
    console.print(
        grid(
            ["row", f"probability of {positive}", "class"],
            [[str(entry["row"]), fixed(entry["probability"]), entry["class"]] for entry in predictions],
            left=0,
        )
    )


def print_evaluation(console: Console, document: Document) -> None:
    """Print how well a model does on a table."""
    positive, negative = document["positive"], document["negative"]
    part = document["figures"]
    console.print(
        facts(
            [
                ("model", f"{document['model']}: probability that {document['target']} is {positive}"),
                ("base rate", f"{percent(part['base_rate'])} of these rows are {positive}"),
            ]
        )
    )
    heading(console, "How well it does")
    console.print(figures_grid([(document["table"], part)]))
    heading(console, "Counts")
    counts = part["confusion"]
    console.print(
        grid(
            ["", f"predicted {negative}", f"predicted {positive}"],
            [
                [f"is {negative}", f"{counts['true_negative']:,}", f"{counts['false_positive']:,}"],
                [f"is {positive}", f"{counts['false_negative']:,}", f"{counts['true_positive']:,}"],
            ],
        )
    )


def print_explanation(console: Console, document: Document) -> None:
    """Print one row forward and backward: values, contributions, local derivatives, the chain rule, the shares."""
    told = document["explanation"]
    target, positive = document["target"], document["positive"]
    if told["epoch"] is None:
        when = f"after the last epoch, {document['epochs']:,}"
    else:
        when = f"after epoch {told['epoch']:,}" if told["epoch"] else "at the start, before the first epoch"
    known = f"{target} unknown" if told["y"] is None else f"{target} is {told['label']}, y = {told['y']:g}"
    heading(console, f"Row {told['row']} ({known}) {when}")
    console.print(Text("  forward: x, w, b -> z -> g" + ("" if told["y"] is None else " -> L"), style=DIM))
    console.print(_forward_table(told))
    lines = [
        ("z", f"{number(told['z'])}, the sum of b and every x w: log-odds of {positive}"),
        ("g", f"{number(told['g'])} = sigmoid(z), the probability of {positive}"),
    ]
    if told["y"] is None:
        console.print(facts([*lines, ("L", "not there: without a label there is no loss, and nothing goes backward")]))
        return
    side = "-log g" if told["y"] == 1 else "-log(1 - g)"
    console.print(facts([*lines, ("L", f"{number(told['loss'])} = {side}, the row's log-loss")]))
    console.print()
    console.print(Text("  backward: the chain rule with its numbers", style=DIM))
    console.print(facts(_chain_lines(told)))
    console.print()
    console.print(_backward_table(told))
    console.print(facts(_share_lines(document)))


def _forward_table(told: Document) -> Padding:
    shown, rest = most_important(told["features"], "contribution")
    scaled = any(entry["x_user"] is not None and entry["x_user"] != entry["x"] for entry in shown)
    columns = ["feature", *(["in the table"] if scaled else []), "x", "w", "x w", "odds x", "g so far"]
    rows = [
        ["b", *([""] if scaled else []), "", "", number(told["b"]), number(_exp(told["b"])), fixed(_sigmoid(told["b"]))]
    ]
    for entry in shown:
        user = [number(entry["x_user"], 5)] if scaled else []
        rows.append(
            [
                entry["name"],
                *user,
                *(number(entry[key]) for key in ("x", "w", "contribution", "odds_factor")),
                fixed(entry["probability_step"]),
            ]
        )
    return grid(columns, rows + [[text] for text in rest])


def _chain_lines(told: Document) -> list[tuple[str, str]]:
    lines = [
        ("dL_dg", f"{number(told['dL_dg'])} = (1 - y)/(1 - g) - y/g"),
        ("dg_dz", f"{number(told['dg_dz'])} = g (1 - g)"),
        ("dL_dz", str(told["chain"]["dL_dz"])),
        ("dL_db", str(told["chain"]["dL_db"])),
    ]
    if told["saturated"]:
        lines.insert(
            3, ("stable", f"{number(told['stable'])} = g - y without rounding; the product above can't be formed")
        )
    return lines


def _backward_table(told: Document) -> Padding:
    shown, rest = most_important(told["features"], "dL_dw")
    rows = [["b", "1", number(told["dL_db"]), number(told["share_b"]), percent(told["share_b_of_gradient"])]]
    rows += [
        [
            entry["name"],
            *(number(entry[key]) for key in ("dz_dw", "dL_dw", "share")),
            percent(entry["share_of_gradient"]),
        ]
        for entry in shown
    ]
    return grid(["", "dz_dw = x", "dL_dw = dL_dz x", "share", "of the whole"], rows + [[text] for text in rest])


def _share_lines(document: Document) -> list[tuple[str, str]]:
    whole, check = document["whole_gradient"], document["explanation"]["check"]
    lines = []
    if whole is not None:
        which = "trained on" if whole["training_rows"] else "of known label in this table, not the training rows"
        lines.append(
            ("share", f"dL_dw / {number(whole['sum_weights'], 6)}: what the row adds to the whole gradient, "
                      f"the mean over {whole['rows']:,} rows {which}")
        )  # fmt: skip
    lines.append(("checked", f"against {check['method']}: largest relative error {number(check['max_error'], 2)}"))
    return lines


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > -700 else 0.0


def print_demo(console: Console, document: Document) -> None:
    """Print all of the demo: what it is, the fit, one bird, the birds of unknown sex, what to try next."""
    console.print(Text("Male or female? 344 penguins of the Palmer Archipelago, Antarctica", style=HEADING))
    print_fit(console, document)
    print_explanation(console, document)
    heading(console, f"The {len(document['predictions'])} birds of unknown sex")
    print_predictions(console, document["predictions"], document["positive"])
    model, report = document["files"]["model"], document["files"]["report"]
    row, table = document["explanation"]["row"], document["table"]
    heading(console, "Next")
    console.print(facts([("look", f"open {report}")]))
    for command in (
        f"chainrule explain {model} {table} --row {row} --epoch 1",
        f"chainrule predict {model} {table}",
        f"chainrule fit {table} --target species ...",
    ):
        console.print(Text(f"  {command}"), soft_wrap=True)
