"""What a person sees in a terminal: tables, a progress bar, notes. It prints documents that `--json` gives as well.

Every name that comes from the data is put in as plain text: a column called `[red]` is shown, not obeyed.
"""

import io
import math
import re
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, Any, Self, TextIO, cast

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

Document = Mapping[str, Any]

HEADING = "bold"
DIM = "dim"
TINY = 1e-12  # a standardised x at its mean may come out as 1e-16: the rounding of a 0
SHOWN = 30  # features in a table; --json gives all


def results() -> Console:
    """Make the console of the results: stdout."""
    file = sys.stdout if sys.stdout.isatty() else cast(IO[str], _NoPadding(sys.stdout))
    return Console(file=file, highlight=False, emoji=False)


class _NoPadding(io.TextIOBase):
    """A file that leaves out the spaces with which tables fill their lines."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        self._file.write(re.sub(r" +\n", "\n", text))
        return len(text)

    def flush(self) -> None:
        self._file.flush()


def messages(*, quiet: bool = False) -> Console:
    """Make the console of progress and notes: stderr, or nothing."""
    return Console(file=sys.stderr, highlight=False, emoji=False, quiet=quiet)


def note(console: Console, text: str) -> None:
    """Print one note on stderr, whole on one line where stderr is a file."""
    console.print(Text.assemble(("note: ", "yellow"), as_options(text)), soft_wrap=not console.is_terminal)


def as_options(text: str) -> str:
    """Call what Python's arguments are called in a message by the names of the command line's options."""
    text = re.sub(r"^learning_rate (?=\d)", "--learning-rate ", text)
    text = text.replace("take a learning_rate below", "take a --learning-rate below")
    return text.replace("(standardize=True)", "(--standardize)")


def number(value: float | None, digits: int = 4) -> str:
    """Write a number with `digits` significant digits; what is not there is a dash."""
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    text = f"{value:.{digits}g}"
    if value == 0 or "e" in text:
        return "0" if value == 0 else text
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"


def aligned(value: float | None, zero: float = 0.0) -> str:
    """Write a number of the fit's units with three decimals, so that columns line up; very large or small ones as powers.

    zero: what is not larger than this is shown as 0.
    """
    if value is None or not math.isfinite(value):
        return number(value)
    if abs(value) <= zero:
        return "0"
    return f"{value:.3f}" if 5e-4 <= abs(value) < 1e5 else f"{value:.2e}"


def power(value: float | None) -> str:
    """Write a number with a power of ten, so that numbers of very different size can be compared."""
    return number(value) if not value or not math.isfinite(value) else f"{value:.2e}"


def fixed(value: float | None, places: int = 4) -> str:
    """Write a number with `places` decimals."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.{places}f}"


def percent(value: float | None) -> str:
    """Write a share as a percentage with one decimal."""
    return "-" if value is None else f"{100 * value:.1f} %"


def grid(columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> Padding:
    """Make a calm table: one rule below the heading, the first `left` columns flush left, numbers flush right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style=HEADING)
    for index, name in enumerate(columns):
        names = index < left
        table.add_column(
            Text(name),
            justify="left" if names else "right",
            overflow="fold",
            no_wrap=not names,
            min_width=min(18, max((len(row[index]) for row in rows if len(row) > index), default=0)) if names else None,
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return Padding(table, (0, 0, 0, 2), expand=False)


def facts(pairs: Sequence[tuple[str, str]]) -> Padding:
    """Make lines of a name and what it is, the second column wrapped in itself."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style=DIM, no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in pairs:
        table.add_row(Text(name), Text(text))
    return Padding(table, (0, 0, 0, 2), expand=False)


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
    if limit is None:
        return f"{number(rate)}; any rate is stable here"
    auto = " (auto)" if rate == limit / 2 else ""
    return f"{number(rate)}{auto}, the largest stable one is {number(_floor(limit))}" + (
        ": above it the loss may rise or oscillate" if rate > limit else ""
    )


def _floor(value: float, digits: int = 4) -> float:
    """Round down, so that a rate below what is shown is below the limit."""
    step = 10.0 ** (math.floor(math.log10(value)) - digits + 1)
    return math.floor(value / step) * step


def _figures_table(document: Document) -> Padding:
    parts = [("training", document["training"])]
    if document["held_out"]:
        parts.append(("held out", document["held_out"]))
    return figures_grid(parts)


def figures_grid(parts: Sequence[tuple[str, Document]]) -> Padding:
    """Make the table of loss, accuracy and AUC, with the base rate's own loss and accuracy beside them."""
    return grid(
        ["", "rows", "log-loss", "(base rate)", "accuracy", "(base rate)", "AUC"],
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
    columns = ["feature", "w per unit", "odds ratio"] + (["w per SD", "odds ratio"] if standardized else [])
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
    pairs = [("training", f"{result['method'].replace('-', ' ')} {as_options(result['message'])}")]
    pairs += [("wrote", f"{path} ({name})") for name, path in document["files"].items() if path]
    return pairs


def print_predictions(console: Console, predictions: Sequence[Document], positive: str) -> None:
    """Print predictions as a table."""
    console.print(
        grid(
            ["class", "row", f"probability of {positive}"],
            [[entry["class"], str(entry["row"]), fixed(entry["probability"])] for entry in predictions],
        )
    )


def print_evaluation(console: Console, document: Document) -> None:
    """Print how well a model does on a table."""
    positive, negative = document["positive"], document["negative"]
    part = document["figures"]
    console.print(
        facts(
            [
                ("model", f"{document['model']}: the probability that {document['target']} is {positive}"),
                ("table", document["table"]),
                ("base rate", f"{percent(part['base_rate'])} of these rows are {positive}"),
            ]
        )
    )
    heading(console, "How well it does")
    console.print(figures_grid([("this table", part)]))
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
    forward = "forward: x, w, b -> z -> g" + ("" if told["y"] is None else " -> L")
    console.print(Text(f"  {forward}", style=DIM))
    console.print(_forward_table(told))
    console.print()
    _equations(console, [f"z = x · w + b = {number(told['z'], 6)}, the log-odds of {positive}", told["chain"]["g"]])
    if told["y"] is None:
        console.print(Text("  Without a label there is no loss, and nothing goes backward.", style=DIM))
        return
    _equations(console, [told["chain"]["L"]])
    console.print()
    console.print(Text("  backward: L -> g -> z -> w, b", style=DIM))
    _equations(console, [told["chain"][key] for key in ("dL_dg", "dg_dz", "dL_dz", "dL_db")])
    console.print()
    console.print(_backward_table(document))
    console.print()
    console.print(facts(_share_lines(document)))


def _equations(console: Console, lines: Sequence[str]) -> None:
    for line in lines:
        console.print(Padding(Text(line), (0, 0, 0, 2), expand=False))


def _in_order(told: Document) -> tuple[list[Document], list[list[str]]]:
    """Sort features as the path goes, the largest contribution first; the second part counts those not shown."""
    place = {name: at for at, (name, _) in enumerate(told["path"])}
    features = sorted(told["features"], key=lambda entry: place[entry["name"]])
    left = len(features) - SHOWN
    return features[:SHOWN], [[f"and {left:,} smaller ones (--json gives all)"]] if left > 0 else []


def _forward_table(told: Document) -> Padding:
    shown, rest = _in_order(told)
    so_far = dict(told["path"])
    scaled = any(entry["x_user"] != entry["x"] for entry in shown)
    rows = [["b", *([""] if scaled else []), "", aligned(told["b"]), aligned(told["b"]), "", fixed(told["path"][0][1])]]
    for entry in shown:
        rows.append(
            [
                entry["name"],
                *([f"{entry['x_user']:.6g}"] if scaled else []),
                aligned(entry["x"], TINY),
                aligned(entry["w"]),
                aligned(entry["contribution"], TINY),
                "1" if abs(entry["contribution"]) < TINY else number(entry["odds_factor"], 3),
                fixed(so_far[entry["name"]]),
            ]
        )
    return grid(["feature", *(["value"] if scaled else []), "x", "w", "x w", "odds times", "g so far"], rows + rest)


def _backward_table(document: Document) -> Padding:
    told, whole = document["explanation"], document["whole_gradient"]
    shown, rest = _in_order(told)
    place = {entry["name"]: at for at, entry in enumerate(told["features"])}
    penalty = told["alpha"] > 0
    columns = ["dL_dw = dL_dz dz_dw", "dz_dw", "dL_dw", "share"]
    rows = [["b", "1", aligned(told["dL_db"]), power(told["share_b"])]]
    rows += [
        [entry["name"], aligned(entry["dz_dw"], TINY), aligned(entry["dL_dw"]), power(entry["share"])]
        for entry in shown
    ]
    if whole is not None:
        columns.append("all rows")
        rows[0].append(power(whole["dL_db"]))
        for row, entry in zip(rows[1:], shown, strict=True):
            row.append(power(whole["dL_dw"][place[entry["name"]]]))
    if penalty:
        columns.append("alpha w")
        for row, entry in zip(rows[1:], shown, strict=True):
            row.append(power(entry["penalty_gradient"]))
    return grid(columns, rows + rest)


def _share_lines(document: Document) -> list[tuple[str, str]]:
    told, whole = document["explanation"], document["whole_gradient"]
    lines = []
    if whole is not None:
        which = "trained on" if whole["training_rows"] else "with a label here (they are not those trained on)"
        lines.append(
            ("share", f"{told['weight']:g}/{whole['sum_weights']:g} of dL_dw: what this row adds to the gradient")
        )
        lines.append(("all rows", f"the sum of the shares of the {whole['rows']:,} rows {which}"))
    if told["alpha"] > 0:
        lines.append(("alpha w", "the penalty's part; at the optimum it and the rows' part cancel"))
    if told["note"]:
        lines.append(("note", told["note"]))
    check = told["check"]
    lines.append(
        ("checked", f"against {check['method']}: the largest relative error is {number(check['max_error'], 2)}")
    )
    return lines


def print_demo(console: Console, document: Document) -> None:
    """Print all of the demo: what it is, the fit, one bird, the birds of unknown sex, what to try next."""
    console.print(Text("Male or female? 344 penguins of the Palmer Archipelago, Antarctica", style=HEADING))
    print_fit(console, document)
    print_explanation(console, document)
    heading(console, f"The {len(document['predictions'])} birds of unknown sex")
    print_predictions(console, document["predictions"], document["positive"])
    console.print(Text("  Rows 4 and 272 have no measure at all: theirs are put at the mean.", style=DIM))
    model, report = document["files"]["model"], document["files"]["report"]
    row, table = document["explanation"]["row"], document["table"]
    heading(console, "Next")
    console.print(Text(f"  open {report}"), soft_wrap=True)
    for command in (
        f"chainrule explain {model} {table} --row {row} --epoch 1",
        f"chainrule predict {model} {table}",
        "chainrule fit YOUR.csv --target COLUMN --test-size 0.25 --report report.html",
    ):
        console.print(Text(f"  {command}"), soft_wrap=True)
