// Why a learning rate has a limit, and why centring raises it: the derivation below the rate.

import { el, put, tex } from "../dom";

const { i, n, o, row: r, over, sub, sup, block } = tex;
const half = (): Element => over(n("1"), n("2"));
const squared = (...children: Element[]): Element => sup(r(o("("), ...children, o(")")), n("2"));
const mean = (): Element[] => [over(n("1"), i("m")), o("∑")];
const length = (): Element => sup(r(o("|"), i("G"), o("|")), n("2"));
const most = (): Element => sub(i("L"), i("max"));

const SAYS: Record<string, () => (Element | string)[]> = {
  "Why is there a limit?": () => [
    "The derivative of g − y in z is g (1 − g), which is at most ¼. With a 1 added to each row for the bias, and a direction u of length 1, the loss is curved along u by no more than",
    block(over(n("1"), r(n("4"), i("m"))), o("∑"), squared(i("u"), o("·"), i("x"))),
    "and a penalty adds its α. Let L_max be the largest that this can be: the largest eigenvalue of a matrix. By Taylor's formula a step with the rate η against the gradient G ends at no more than",
    block(i("L"), o("−"), i("η"), length(), o("+"), half(), most(), sup(i("η"), n("2")), length()),
    block(o("="), i("L"), o("−"), i("η"), o("("), n("1"), o("−"), half(), i("η"), most(), o(")"), length()),
    "The bracket is positive for η < 2/L_max: then no epoch raises the loss. Near the lowest point the loss is like a parabola with the curvature λ. At the distance d from there the slope is λ d, and a step leads to d − η λ d = (1 − η λ) d. That is nearer for η < 2/λ.",
  ],
  "Why does centring help?": () => [
    "Take a direction with the part u for the weights and v for the bias, and split each row into the mean of all rows and its deviation d. The deviations add up to 0, so",
    block(...mean(), squared(i("u"), o("·"), i("x"), o("+"), i("v"))),
    block(o("="), squared(i("u"), o("·"), i("mean"), o("+"), i("v")), o("+"), ...mean(), squared(i("u"), o("·"), i("d"))),
    "If the means are much larger than the deviations, the first term makes one direction steep, which forbids long steps. Where v = −u · mean it is 0, and only the small deviations are left: along this direction the loss is so flat that thousands of short steps hardly move. Centred columns have the mean 0: the bias is on its own, and both troubles are gone. Standardised ones have equal deviations too.",
  ],
};

export function view(place: Element): void {
  const folds = Object.entries(SAYS).map(([title, says]) => el("details", {}, el("summary", {}, title), ...says().map((each) => (typeof each === "string" ? el("p", {}, each) : each))));
  put(place, ...folds);
}
