"""The derivation of gradient descent's step, as a chapter of a learner's report."""

from chainrule.documents.blocks import Beside, Block, Formula, Heading, say

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
        "The loss is curved: the slope g − y of a row changes by g (1 − g) per unit of z, at most 1/4. A step multiplies the "
        "distance from the bottom of a bowl of curvature c by 1 − η c. If η is above 2/c, it ends further away than it began.",
        "-1 < 1 - η c < 1 for η < 2/c; no c is above L_max",
    ),
    (
        "Why centring helps",
        "If a column’s mean is far from 0, its weight and b do nearly the same to z. Where they cancel, the bowl is almost "
        "flat, and its steep side allows short steps only. Less its mean, the column leaves b alone.",
        "w x + b = w (x - mean) + (b + w mean)",
    ),
)


def derivation() -> list[Block]:
    """Derive each step of the graph, from the log-odds to the learning rate."""
    groups: list[list[Block]] = [
        [Heading(f"{k}. {title}", 3), say(text), Formula(line)] for k, (title, text, line) in enumerate(STEPS, 1)
    ]
    told = say("Each step of the graph above, with its reason.")
    return [Heading("Why it is so: the derivation"), told, Beside(groups)]
