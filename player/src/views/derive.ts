// The derivation of each step, opened from where it stands.

import { el, put, tex } from "../dom";
import { STAGES, type Stage, type Store } from "../store";

const { i, n, o, row: r, over, sup, block, text } = tex;
const d = (a: string, b: string): Element => over(r(o("∂"), i(a)), r(o("∂"), i(b)));
const rest = (): Element => r(n("1"), o("−"), i("g"));
const exp = (): Element => sup(i("e"), r(o("−"), i("z")));

const SAYS: Record<Stage, (store: Store) => (Element | string)[]> = {
  x: () => ["x is the row as the fit sees it: each number of the table less its mean, over its deviation, if the run standardised it. A level of a category is 1 in its rows and 0 in the others before that."],
  z: () => ["Each column adds x w to the log-odds, and the bias adds b. z may be any number; it is the logarithm of the odds that the row is of the second class."],
  g: () => [
    "Solve z = log(g/(1 - g)) for g:",
    block(over(i("g"), rest()), o("="), sup(i("e"), i("z")), text("\u00a0gives\u00a0"), i("g"), o("="), over(n("1"), r(n("1"), o("+"), exp()))),
    "This is the sigmoid. It turns log-odds into a probability: 0 into ½, large ones into nearly 1.",
  ],
  L: () => ["The model gave the class that was seen the probability g if y = 1, and 1 - g if y = 0. The loss is its negative logarithm: 0 if the model was sure and right, and without limit if it was sure and wrong. A coin toss costs log 2 = 0.693."],
  dL_dg: () => ["The derivative of log g is 1/g, and that of log(1 - g) is -1/(1 - g). One of the two terms counts:", block(d("L", "g"), o("="), over(r(n("1"), o("−"), i("y")), rest()), o("−"), over(i("y"), i("g")))],
  dg_dz: () => [
    block(d("g", "z"), o("="), over(exp(), sup(r(o("("), n("1"), o("+"), exp(), o(")")), n("2"))), o("="), over(n("1"), r(n("1"), o("+"), exp())), o("·"), over(exp(), r(n("1"), o("+"), exp())), o("="), i("g"), o("("), rest(), o(")")),
    "In the product with ∂L/∂g the denominators cancel, and what is left is g - y: what the model says less what was seen.",
    block(d("L", "z"), o("="), r(o("("), over(r(n("1"), o("−"), i("y")), rest()), o("−"), over(i("y"), i("g")), o(")")), i("g"), o("("), rest(), o(")"), o("="), o("("), n("1"), o("−"), i("y"), o(")"), i("g"), o("−"), i("y"), o("("), rest(), o(")"), o("="), i("g"), o("−"), i("y")),
  ],
  dz_dw: () => ["z is a sum of x w and b, so ∂z/∂w = x and ∂z/∂b = 1. A column whose x is 0 in this row gets no gradient from it."],
  mean: ({ data }) => [`L of all rows is the mean of their losses${data.rows.s ? ", each counted by the row's weight" : ""}, and the derivative of a mean is the mean of the derivatives.`, "With the mean, a table with every row twice makes the same steps; with the sum they would be twice as long."],
  update: () => ["The gradient points to where L rises fastest. Each weight goes the other way, by the learning rate times its derivative. Then the next epoch begins at the new point."],
};

const NAMES: Record<Stage, string> = { x: "x", z: "z", g: "g", L: "L", dL_dg: "∂L/∂g", dg_dz: "∂g/∂z", dz_dw: "∂z/∂w", mean: "mean", update: "update" };

/** Show the derivation of the step that is shown, or of any; returns what opens it at a step. */
export function view(store: Store, place: Element): (stage: Stage) => void {
  const body = el("div", { class: "why", role: "region", "aria-label": "derivation", tabindex: 0 });
  const choices = STAGES.map((stage) => el("button", { type: "button", click: () => show(stage) }, NAMES[stage]));
  const details = el("details", {}, el("summary", {}, "Why is that so?"), el("div", { class: "bar" }, ...choices), body);
  const show = (stage: Stage): void => {
    choices.forEach((choice, k) => choice.setAttribute("aria-pressed", String(STAGES[k] === stage)));
    put(body, ...SAYS[stage](store).map((each) => (typeof each === "string" ? el("p", {}, each) : each)));
  };
  put(place, details);
  store.watch(["stage"], (state) => show(STAGES[state.stage]));
  return (stage) => {
    details.open = true;
    show(stage);
  };
}
