"""Two epochs of gradient descent on a table so small that every number can be checked by hand; made by the graph itself."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.documents.blocks import Block, Facts, Formula, Heading, Table, say
from chainrule.explain import factor, number
from chainrule.graph import logistic_graph
from chainrule.words import plain

Document = Mapping[str, Any]
Vector = NDArray[np.float64]


def epochs(X: Vector, y: Vector, learning_rate: float, count: int) -> list[dict[str, Any]]:
    """Run gradient descent from zero on the graph; return every number of each epoch. X : (m, n); y : (m,) of 0 and 1."""
    w, b, told = np.zeros(X.shape[1]), 0.0, []
    for epoch in range(1, count + 1):
        graph = logistic_graph(X, y, w, b).backward()
        dL_dw, dL_db = graph.dL_dw, float(graph.dL_db)
        new_w, new_b = w - learning_rate * dL_dw, b - learning_rate * dL_db
        after = logistic_graph(X, y, new_w, new_b)
        told.append(
            {
                "epoch": epoch, "w": w, "b": b,
                "z": graph.z.value, "g": graph.g.value, "l": graph.loss.value, "L": float(graph.L.value),
                "dL_dg": graph.dL_dg, "dg_dz": graph.dg_dz, "dL_dz": graph.dL_dz, "terms": graph.dL_dz[:, np.newaxis] * X,
                "dL_dw": dL_dw, "dL_db": dL_db, "new_w": new_w, "new_b": new_b, "new_L": float(after.L.value),
            }
        )  # fmt: skip
        w, b = new_w, new_b
    return told


def students(learning_rate: float = 0.1, count: int = 2) -> Document:
    """Return the document of some epochs on six students: who passed, by the hours a week studied and watched television."""
    lines = (files("chainrule") / "data" / "students.csv").read_text("utf-8").splitlines()
    (*names, target), *rows = (line.split(",") for line in lines)
    answers = {"no": "0", "yes": "1"}
    numbers = np.array([[float(answers.get(cell, cell)) for cell in row] for row in rows])
    X, y = numbers[:, :-1], numbers[:, -1]
    told = plain({"names": names, "target": target, "learning_rate": learning_rate, "x": X, "y": y})
    return {**told, "epochs": plain(epochs(X, y, learning_rate, count))}


def blocks(document: Document) -> list[Block]:
    """Describe the epochs: forward, backward, the mean over the rows, the update."""
    return [
        Heading("Gradient descent by hand: six students, two weights", 1),
        Facts.of({"question": "who passed, by the hours a week studied and spent on television?",
                  "model": "z = x · w + b,  g = 1/(1 + e^-z),  L = the mean of -(y log g + (1 - y) log(1 - g))",
                  "start": "w = 0, b = 0; learning rate {learning_rate:g}"}, **document),
        *in_full(document, 2),
        say("Each step is derived, with exercises, in docs/derivation.md and in reports with --for learner.", "note"),
    ]  # fmt: skip


def in_full(document: Document, level: int) -> list[Block]:
    """Describe each epoch with all numbers. level : of its heading."""
    return [block for told in document["epochs"] for block in _epoch(document, told, level)]


def _epoch(document: Document, told: Document, level: int) -> list[Block]:
    names, m = document["names"], len(document["y"])
    x = list(zip(*document["x"], strict=True))
    lines = [
        {"row": k + 1, "y": int(document["y"][k])}
        | {name: x[j][k] for j, name in enumerate(names)}
        | {key: told[key][k] for key in ("z", "g", "l", "dL_dg", "dg_dz", "dL_dz")}
        | {f"dw {name}": told["terms"][k][j] for j, name in enumerate(names)}
        for k in range(m)
    ]
    point = ", ".join(f"w_{name} = {number(w)}" for name, w in zip(names, told["w"], strict=True))
    return [
        Heading(f"Epoch {told['epoch']}: {point}, b = {number(told['b'])}", level),
        Heading("forward: x, w, b -> z -> g -> L", 3),
        Table.from_entries(lines, ("row", "row", ""), *((name, name, "g") for name in names), ("y", "y", ""),
                           ("z", "z", "g"), ("g", "g", "g"), ("loss l", "l", "g")),
        Formula(f"L = {mean_of(told['l'])} = {number(told['L'])}"),
        Heading("backward: L -> g -> z -> w, b", 3),
        Table.from_entries(lines, ("row", "row", ""), ("dL_dg", "dL_dg", "g"), ("dg_dz", "dg_dz", "g"),
                           ("dL_dz = g - y", "dL_dz", "g"), *((f"dL_dz · {name}", f"dw {name}", "g") for name in names)),
        Heading("the mean over the rows, and the update", 3),
        *(
            Formula(line)
            for at, terms, slope, old, new in _slopes(names, told)
            for line in (f"dL/d{at} = {mean_of(terms)} = {number(slope)}",
                         f"{at} = {number(old)} - {document['learning_rate']:g} · {factor(slope)} = {number(new)}")
        ),
        say("L falls from {L:g} to {new_L:g}.", **told),
    ]  # fmt: skip


def _slopes(names: Sequence[str], told: Document) -> list[tuple[str, Sequence[float], float, float, float]]:
    """List each parameter: its name, each row's term, the derivative, the value before and after the update."""
    terms = zip(*told["terms"], strict=True)
    of_w = zip((f"w_{name}" for name in names), terms, told["dL_dw"], told["w"], told["new_w"], strict=True)
    return [*of_w, ("b", told["dL_dz"], told["dL_db"], told["b"], told["new_b"])]


def mean_of(terms: Sequence[float]) -> str:
    """Write a mean as a sum over a count."""
    return f"({' + '.join(map(factor, terms))})/{len(terms)}"
