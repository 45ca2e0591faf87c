"""What a person sees in a terminal: tables, a progress bar, notes. It prints documents that `--json` gives as well.

Every name that comes from the data is put in as plain text: a column called `[red]` is shown, not obeyed, and so is an
escape sequence.
"""

import io
import math
import re
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, Any, Self, TextIO, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from chainrule.layout import (
    DIM,
    HEADING,
    print_facts,
    print_heading,
    print_table,
    print_text,
    visible,
    without_padding,
)

Document = Mapping[str, Any]
Rows = list[list[str]]

BIAS = "b (bias)"  # a feature may be called b
TINY = 1e-12  # a standardised x at its mean may come out as 1e-16: the rounding of a 0
SHOWN = 30  # features in a table; --json gives all
SHOWN_PREDICTIONS = 20
PARTS = {"training": "a training row", "held out": "held out", "other": "not among the training rows"}


def shown(word: str) -> str:
    """Spell a name or a label from the data."""
    from chainrule.tables import words  # the package loads pyarrow, which no help text needs

    return words.shown(word)


def counted(count: int, noun: str) -> str:
    """Spell a number with its noun: 1 row, 2 rows."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def results() -> Console:
    """Make the console of the results: stdout."""
    file = sys.stdout if sys.stdout.isatty() else cast(IO[str], _NoPadding(sys.stdout))
    return Console(file=file, highlight=False, emoji=False)


class _NoPadding(io.TextIOBase):
    """A file that leaves out the spaces with which tables fill their lines."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        self._file.write(without_padding(text))
        return len(text)

    def flush(self) -> None:
        self._file.flush()


def messages(*, quiet: bool = False) -> Console:
    """Make the console of progress and notes: stderr, or nothing."""
    return Console(file=sys.stderr, highlight=False, emoji=False, quiet=quiet)


def note(console: Console, text: str) -> None:
    """Print one note on stderr, whole on one line where stderr is a file."""
    words = Text.assemble(("note: ", "yellow"), visible(as_options(text)))
    console.print(words, soft_wrap=not console.is_terminal)


def as_options(text: str) -> str:
    """Call what Python's arguments are called in a message by the names of the command line's options."""
    text = re.sub(r"^learning_rate (?=\d)", "--learning-rate ", text)
    text = re.sub(r"take a learning_rate below (\S+), or 'auto'", r"take a --learning-rate below \1, or auto", text)
    text = text.replace("raise max_reads", "raise --epochs").replace(", or take method='newton'", "")
    text = re.sub(r"take a larger learning_rate, or 'auto'", "take a larger --learning-rate, or auto", text)
    text = re.sub(r"take a tol above (\S+)", r"that is as good as it gets", text)
    return re.sub(r"\(?standardize=True\)?", lambda found: found[0].replace("standardize=True", "--standardize"), text)


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


def most_important(entries: Sequence[Document], key: str) -> tuple[list[Document], list[str]]:
    """Keep the entries with the largest |entry[key]|, in their order, and say how many more there are."""
    if len(entries) <= SHOWN:
        return list(entries), []
    order = sorted(range(len(entries)), key=lambda i: -abs(entries[i][key] or 0.0))[:SHOWN]
    return [entries[i] for i in sorted(order)], [_smaller(len(entries) - SHOWN)]


def _smaller(count: int) -> str:
    return f"and {counted(count, 'smaller one')} (--json gives all)"


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
    positive, negative = shown(document["positive"]), shown(document["negative"])
    counts = document["rows"]
    rows = [f"{counts['training']:,} to train on"]
    rows += [f"{counts['held_out']:,} held out"] if counts["held_out"] else []
    rows += [f"{counts['set_aside']:,} set aside, {shown(document['target'])} unknown"] if counts["set_aside"] else []
    print_facts(
        console,
        [
            ("target", f"{shown(document['target'])}: {positive} is y = 1, {negative} is y = 0"),
            ("rows", ", ".join(rows)),
            ("objective", result["objective_line"]),
            *([("learning rate", _rate(result))] if result.get("learning_rate") is not None else []),
        ],
    )
    print_heading(console, "How well it does")
    print_figures(console, _parts(document))
    print_heading(console, f"Coefficients: log-odds of {positive}")
    _print_coefficients(console, document)
    print_heading(console, "What happened")
    print_facts(console, _outcome(document))


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


def _parts(document: Document) -> list[tuple[str, Document]]:
    held_out = [("held out", document["held_out"])] if document["held_out"] else []
    return [("training", document["training"]), *held_out]


def print_figures(console: Console, parts: Sequence[tuple[str, Document]]) -> None:
    """Print the table of loss, accuracy and AUC, with the base rate's own loss and accuracy beside them."""
    print_table(
        console,
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


def _print_coefficients(console: Console, document: Document) -> None:
    entries, rest = most_important(document["coefficients"], "w_fit")
    standardized = any(entry["scale"] != 1 or entry["center"] != 0 for entry in entries)
    columns = ["feature", "w per unit", "odds ratio"] + (["w per SD", "odds ratio"] if standardized else [])
    rows = [[BIAS, number(document["intercept"]["b"]), ""] + (["", ""] if standardized else [])]
    for entry in entries:
        row = [entry["name"], number(entry["w"]), number(entry["odds_ratio"])]
        if standardized:
            scaled = entry["scale"] != 1 or entry["center"] != 0
            row += [number(entry["w_fit"]), number(entry["odds_ratio_fit"])] if scaled else ["", ""]
        rows.append(row)
    print_table(console, columns, rows + [[text] for text in rest])


def _outcome(document: Document) -> list[tuple[str, str]]:
    result = document["result"]
    pairs = [("training", f"{result['method'].replace('-', ' ')} {as_options(result['message'])}")]
    pairs += [("wrote", f"{path} ({name})") for name, path in document["files"].items() if path]
    return pairs


def print_predictions(console: Console, predictions: Sequence[Document], positive: str) -> None:
    """Print predictions as a table."""
    print_table(
        console,
        ["class", "row", f"probability of {positive}"],
        [[entry["class"], str(entry["row"]), fixed(entry["probability"])] for entry in predictions],
    )


def print_set_aside(console: Console, document: Document) -> None:
    """Print the predictions of the rows whose target is missing, the first of them where there are many."""
    predictions = document["predictions"]
    if not predictions:
        return
    which = "row" if len(predictions) == 1 else f"{len(predictions):,} rows"
    print_heading(console, f"The {which} of unknown {shown(document['target'])}")
    print_predictions(console, predictions[:SHOWN_PREDICTIONS], document["positive"])
    left = len(predictions) - SHOWN_PREDICTIONS
    if left > 0:
        print_text(console, f"and {left:,} more: --json, the report and chainrule predict have all", style=DIM)


def print_evaluation(console: Console, document: Document) -> None:
    """Print how well a model does on a table."""
    positive, negative = shown(document["positive"]), shown(document["negative"])
    part = document["figures"]
    print_facts(
        console,
        [
            ("model", f"{document['model']}: the probability that {shown(document['target'])} is {positive}"),
            ("table", document["table"]),
            ("base rate", f"{percent(part['base_rate'])} of these rows are {positive}"),
        ],
    )
    print_heading(console, "How well it does")
    print_figures(console, [("this table", part)])
    print_heading(console, "Counts")
    counts = part["confusion"]
    print_table(
        console,
        ["", f"predicted {negative}", f"predicted {positive}"],
        [
            [f"is {negative}", f"{counts['true_negative']:,}", f"{counts['false_positive']:,}"],
            [f"is {positive}", f"{counts['false_negative']:,}", f"{counts['true_positive']:,}"],
        ],
    )


def print_explanation(console: Console, document: Document) -> None:
    """Print one row forward and backward: values, contributions, local derivatives, the chain rule, the shares."""
    told = document["explanation"]
    target, positive = shown(document["target"]), shown(document["positive"])
    if told["epoch"] is None:
        when = f"after the last epoch, {document['epochs']:,}"
    else:
        when = f"after epoch {told['epoch']:,}" if told["epoch"] else "at the start, before the first epoch"
    if told["y"] is None:
        known = f"{target} unknown"
    else:
        known = f"{target} is {shown(told['label'])}, y = {told['y']:g}; {PARTS[told['part']]}"
    print_heading(console, f"Row {told['row']} ({known}) {when}")
    print_text(console, "forward: x, w, b -> z -> g" + ("" if told["y"] is None else " -> L"), style=DIM)
    _print_forward(console, told)
    console.print()
    print_text(console, f"z = x · w + b = {number(told['z'], 6)}, the log-odds of {positive}")
    print_text(console, told["chain"]["g"])
    if told["y"] is None:
        print_text(console, "Without a label there is no loss, and nothing goes backward.", style=DIM)
        return
    print_text(console, told["chain"]["L"])
    console.print()
    print_text(console, "backward: L -> g -> z -> w, b", style=DIM)
    for key in ("dL_dg", "dg_dz", "dL_dz", "dL_db"):
        print_text(console, told["chain"][key])
    console.print()
    _print_backward(console, document)
    console.print()
    print_facts(console, _share_lines(document))


def _in_order(told: Document) -> tuple[list[Document], Rows]:
    """Sort features as the path goes, the largest contribution first; the second part counts those not shown."""
    place = {name: at for at, (name, _) in enumerate(told["path"][1:])}
    features = sorted(told["features"], key=lambda entry: place[entry["name"]])
    left = len(features) - SHOWN
    return features[:SHOWN], [[_smaller(left)]] if left > 0 else []


def _print_forward(console: Console, told: Document) -> None:
    features, rest = _in_order(told)
    so_far = dict(told["path"][1:])
    scaled = any(entry["x_user"] != entry["x"] for entry in features)
    rows = [
        [BIAS, *([""] if scaled else []), "", aligned(told["b"]), aligned(told["b"]), "", fixed(told["path"][0][1])]
    ]
    for entry in features:
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
    heads = ["feature", *(["value"] if scaled else []), "x", "w", "x w", "odds times", "g so far"]
    print_table(console, heads, rows + rest)


def _print_backward(console: Console, document: Document) -> None:
    told, whole = document["explanation"], document["whole_gradient"]
    features, rest = _in_order(told)
    place = {entry["name"]: at for at, entry in enumerate(told["features"])}
    penalty = told["alpha"] > 0
    columns = ["dL_dw = dL_dz dz_dw", "dz_dw", "dL_dw", "share"]
    rows = [[BIAS, "1", aligned(told["dL_db"]), power(told["share_b"])]]
    rows += [
        [entry["name"], aligned(entry["dz_dw"], TINY), aligned(entry["dL_dw"]), power(entry["share"])]
        for entry in features
    ]
    if whole is not None:
        columns.append("all rows")
        rows[0].append(power(whole["dL_db"]))
        for row, entry in zip(rows[1:], features, strict=True):
            row.append(power(whole["dL_dw"][place[entry["name"]]]))
    if penalty:
        columns.append("alpha w")
        for row, entry in zip(rows[1:], features, strict=True):
            row.append(power(entry["penalty_gradient"]))
        rows[0].append("")
    print_table(console, columns, rows + rest)


def _share_lines(document: Document) -> list[tuple[str, str]]:
    told, whole = document["explanation"], document["whole_gradient"]
    lines = []
    if whole is not None:
        which = "trained on" if whole["training_rows"] else "with a label here (they are not those trained on)"
        adds = {
            "training": "what this row adds to the gradient",
            "held out": "what this row would add to the gradient, but it was held out and adds nothing",
            "other": "what this row would add to the gradient over the rows of this table",
        }
        lines.append(("share", f"{told['weight']:g}/{whole['sum_weights']:g} of dL_dw: {adds[told['part']]}"))
        lines.append(("all rows", f"the sum of the shares of the {counted(whole['rows'], 'row')} {which}"))
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
    print_text(console, "Male or female? 344 penguins of the Palmer Archipelago, Antarctica", style=HEADING, indent="")
    print_fit(console, document)
    print_explanation(console, document)
    print_heading(console, f"The {len(document['predictions'])} birds of unknown sex")
    print_predictions(console, document["predictions"], document["positive"])
    print_text(console, "Rows 4 and 272 have no measure at all: theirs are put at the mean.", style=DIM)
    model, report, table = document["files"]["model"], document["files"]["report"], document["files"]["data"]
    if not (model and table):
        return
    print_heading(console, "Next")
    if report:
        console.print(Text(f"  open {visible(report)}"), soft_wrap=True)
    files = f"{shlex.quote(model)} {shlex.quote(table)}"
    for command in (
        f"chainrule explain {files} --row {document['explanation']['row']} --epoch 1",
        f"chainrule predict {files}",
        "chainrule fit YOUR.csv --target COLUMN --test-size 0.25 --report report.html",
    ):
        console.print(Text(f"  {visible(command)}"), soft_wrap=True)
