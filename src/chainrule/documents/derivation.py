"""The derivation of gradient descent's step, as a chapter of a learner's report: steps, examples by hand, and exercises."""

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.documents.blocks import Beside, Block, Column, Fold, Formula, Heading, Table, say
from chainrule.documents.by_hand import in_full, mean_of, students
from chainrule.documents.exercises import EXERCISES
from chainrule.explain import factor, number

STEPS = (  # a title, the reason, the formula
    (
        "From log-odds to a probability",
        "Each column adds x w to the log-odds z, and the bias adds b. z is the logarithm of the odds g/(1 − g). Solved "
        "for g:",
        "g/(1 - g) = exp(z), so g = exp(z)/(1 + exp(z)) = 1/(1 + exp(-z))",
    ),
    (
        "The loss of a row",
        "The model gave what was seen the probability g if y = 1, and 1 − g if y = 0. The loss is its negative logarithm. "
        "Only one of the two terms counts in a row.",
        "L = -(y log g + (1 - y) log(1 - g))",
    ),
    (
        "Back through the loss",
        "The derivative of log g is 1/g, and that of log(1 − g) is −1/(1 − g).",
        "dL/dg = (1 - y)/(1 - g) - y/g",
    ),
    (
        "Back through the sigmoid",
        "The outer derivative times the inner one. Of the two factors the first is g, and the second is 1 − g.",
        "dg/dz = exp(-z)/(1 + exp(-z))² = 1/(1 + exp(-z)) · exp(-z)/(1 + exp(-z)) = g (1 - g)",
    ),
    (
        "Their product",
        "The chain rule multiplies what each step passes on. The denominators cancel. What is left is what the model said, "
        "less what was seen.",
        "dL/dz = ((1 - y)/(1 - g) - y/g) g (1 - g) = (1 - y) g - y (1 - g) = g - y",
    ),
    (
        "Back to the weights",
        "z is a sum: a weight passes on its x, and the bias 1. A column whose x is 0 gets nothing from this row.",
        "dL/dw = (g - y) x and dL/db = g - y",
    ),
    (
        "From one row to all",
        "The loss of all rows is the mean of their losses, and the derivative of a mean is the mean of the derivatives. With a "
        "sum, a table with every row twice would make steps twice as long.",
        "dL/dw = (1/m) Σ (g - y) x",
    ),
    (
        "The step",
        "The gradient points to where the loss rises fastest, so each weight goes the other way, by the learning rate η. Then "
        "the next epoch begins.",
        "w ← w - η dL/dw and b ← b - η dL/db",
    ),
    (
        "How long a step may be",
        "The loss is curved: the slope g − y of a row changes by g (1 − g) per unit of z, at most 1/4. With one weight and no "
        "bias, no curvature c is above L_max, the mean of x² over 4. With more of them, L_max is the largest eigenvalue of the "
        "mean of x xᵀ over 4, where x ends with a 1 for the bias. A step multiplies the distance from the bottom of a bowl of "
        "curvature c by 1 − η c. If η is above 2/c, it ends further away than it began.",
        "-1 < 1 - η c < 1 for η < 2/c, and so for η < 2/L_max",
    ),
    (
        "Why centring helps",
        "If a column’s mean is far from 0, its weight and b do nearly the same to z. Where they cancel, the bowl is almost "
        "flat, and its steep side allows short steps only. Less its mean, the column leaves b alone.",
        "w x + b = w (x - mean) + (b + w mean)",
    ),
)


def derivation() -> list[Block]:
    """Derive each step of the graph, from the log-odds to the learning rate, with examples and exercises to do by hand."""
    told = students()
    columns = [list(range(1, 1 + len(told["y"]))), *zip(*told["x"], strict=True), told["y"]]
    heads = ["row", *told["names"], f"y ({told['target']})"]
    steps: list[list[Block]] = [
        [Heading(f"{k}. {title}", 3), say(text), Formula(line), Formula(example, "by hand")]
        for k, ((title, text, line), example) in enumerate(zip(STEPS, _examples(told), strict=True), 1)
    ]
    exercises: list[list[Block]] = [
        [Heading(f"{k}. {title}", 3), say(question), Fold("Answer", [say(answer)])]
        for k, (title, question, answer) in enumerate(EXERCISES, 1)
    ]
    return [
        Heading("Why it is so: the derivation"),
        say("Each step of the graph above, with its reason and an example. The examples are of six students: the hours a week "
            "that they studied and watched television, and whether they passed. Training starts with w = 0 and b = 0, and its "
            "learning rate is {learning_rate:g}. Examples of one row are of row 5, at the start.", **told),
        Table([Column(head, column, "g") for head, column in zip(heads, columns, strict=True)]),
        Beside(steps),
        Fold("Two epochs of the students, with all numbers", in_full(told, 3)),
        Heading("Exercises"),
        say("With the same students. Here l is the loss of one row, and L the mean of all."),
        Beside(exercises),
    ]  # fmt: skip


def _examples(told: Mapping[str, Any]) -> list[str]:
    """Work each step out: for row 5 at the start, for all rows, and for television alone."""
    first, row, rate, m = told["epochs"][0], 4, told["learning_rate"], len(told["y"])
    x, y = told["x"][row], number(told["y"][row])
    z, g, loss, dL_dg, dg_dz, dL_dz = (number(first[key][row]) for key in ("z", "g", "l", "dL_dg", "dg_dz", "dL_dz"))
    of_row = (f"dL/dw_{j} = {dL_dz} · {number(x_j)} = {number(term)}"
              for j, (x_j, term) in enumerate(zip(x, first["terms"][row], strict=True), 1))  # fmt: skip
    slope, new, before, after = first["dL_dw"][0], first["new_w"][0], first["L"], first["new_L"]
    hours = [line[1] for line in told["x"]]
    mean = sum(hours) / m

    def limit(values: Sequence[float]) -> str:
        largest = sum(each * each for each in values) / (4 * m)
        squares = " + ".join(f"{factor(each)}²" for each in values)
        return f"L_max = ({squares})/{4 * m} = {number(largest)}, and 2/L_max = {number(2 / largest)}"

    falls = f"the mean loss falls from {number(before)} to {number(after)}"
    return [
        f"z = {' + '.join(f'0 · {number(x_j)}' for x_j in x)} + 0 = {z}, so g = 1/(1 + exp(0)) = {g}",
        f"L = -log(1 - {g}) = {loss}, as y = {y}",
        f"dL/dg = 1/(1 - {g}) - 0/{g} = {dL_dg}",
        f"dg/dz = {g} · (1 - {g}) = {dg_dz}",
        f"dL/dz = {dL_dg} · {dg_dz} = {dL_dz}, and g - y = {g} - {y} = {dL_dz}",
        f"{', '.join(of_row)}, dL/db = {dL_dz}",
        f"dL/dw_1 = {mean_of([terms[0] for terms in first['terms']])} = {number(slope)}",
        f"w_1 = 0 - {number(rate)} · {factor(slope)} = {number(new)}: {falls}",
        f"television alone: {limit(hours)}",
        f"television less its mean, {number(mean)}: {limit([each - mean for each in hours])}",
    ]
