// What the page checks: its own numbers against the trainer's, the gradient by differences, and the article's loss against the
// stable one.

import { type Data } from "../data";
import { el, pretty, put } from "../dom";
import { articleLoss, differences, logOddsOf, loss, sigmoid, slopes, sums } from "../math";
import { lowered } from "../run";
import { POINT, type State, type Store } from "../store";

export const RED = 64;

/** The largest differences between the page's loss and dL_dw and the trainer's at the embedded points, each over its bound. */
export function largestDifferences({ points, training, alpha, fitIntercept, trainer }: Data): readonly [number, number] {
  let [loss, slope] = [0, 0];
  const apart = (a: number, b: number, bound: number): number => (a === b ? 0 : Math.abs(a - b) / bound);
  points.forEach(([, at], k) => {
    const [found, told] = [sums(training, at, alpha), trainer!.gradients[k]];
    loss = Math.max(loss, apart(found.loss, trainer!.losses[k], found.bounds.loss));
    found.dL_dw.forEach((d, j) => (slope = Math.max(slope, apart(d, told[j], found.bounds.dL_dw[j]))));
    if (fitIntercept) slope = Math.max(slope, apart(found.dL_db, told[at.w.length], found.bounds.dL_db));
  });
  return [loss, slope];
}

export function badge(store: Store, place: Element): void {
  const { data } = store;
  if (!data.trainer) return put(place, "The page trained this run itself: not certified.");
  const [loss, slope] = largestDifferences(data);
  const isFine = loss <= RED && slope <= RED;
  const words = `This page has computed the loss and ∂L/∂w at ${data.points.length} epochs of Chainrule's own run again: the losses agree to within ${pretty(loss, 2)} rounding errors, and the derivatives to within ${pretty(slope, 2)}. Above ${RED} this turns red.`;
  put(place, el("strong", { class: isFine ? "fine" : "wrong" }, isFine ? "checked" : "not the trainer's"), words);
}

export function floor(store: Store, place: Element): void {
  const { optimum } = store.data;
  store.watch(["run", "edited"], (state) => {
    const isCertified = optimum && store.run.isCertified && !state.edited.at && !state.edited.x;
    if (!optimum) put(place, "The floor of the loss: not certified.");
    else if (isCertified) put(place, `The floor of ${lowered(store.run.how)} is the certified optimum, F* = ${pretty(optimum.objective, 6)}: proven to within ${pretty(optimum.gap, 2)} nats.`);
    else put(place, "The floor of the loss: not certified for what the page trains or what you edited.");
  });
}

const SHOWN = 6;

/** The article's loss and the stable one, row by row: the rows with the largest loss, where they come apart first. */
function losses(store: Store, place: Element): void {
  const { rows, training } = store.table;
  const { rowNumbers, classes } = store.data;
  const z = logOddsOf(rows, store.point);
  const naive = Float64Array.from(z, (each, i) => articleLoss(sigmoid(each), rows.y[i]));
  const stable = Float64Array.from(z, (each, i) => loss(each, rows.y[i]));
  const met = [...z.keys()].filter((i) => !Number.isFinite(naive[i]));
  const worst = [...z.keys()].sort((i, j) => stable[j] - stable[i]).slice(0, SHOWN);
  const mean = (of: Float64Array): number => {
    const held = store.data.isHeldOut;
    let total = 0;
    of.forEach((each, i) => (total += held[i] ? 0 : (rows.s ? rows.s[i] : 1) * each));
    return total / (training.s ? training.s.reduce((a, b) => a + b, 0) : training.m);
  };
  /** The largest z in the rows of class 0, or -z in those of class 1. */
  const largest = (y: number): number => z.reduce((most, each, i) => (rows.y[i] === y ? Math.max(most, y ? -each : each) : most), -Infinity);
  const line = (head: string, ...cells: string[]): HTMLElement => el("tr", {}, el("th", { scope: "row", class: "number" }, head), ...cells.map((cell) => el("td", cell === "∞" || cell === "–" ? { class: "wrong" } : {}, cell)));
  const heads = ["row", "z", "y", "article's form", "stable form"].map((head) => el("th", { scope: "col" }, head));
  const named = met.slice(0, 20).map((i) => rowNumbers[i]);
  put(
    place,
    el("table", {}, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...worst.map((i) => line(String(rowNumbers[i]), pretty(z[i]), String(rows.y[i]), pretty(naive[i], 6), pretty(stable[i], 6))), line("mean", "", "", pretty(mean(naive), 6), pretty(mean(stable), 6)))),
    el(
      "p",
      {},
      met.length
        ? `The article's form of the loss meets log(0) in ${met.length === 1 ? "one row" : `${met.length} rows`} here: row ${named.join(", ")}${met.length > named.length ? ", …" : ""}. The page takes the stable form, which is finite in every row.`
        : `Both forms of the loss work in every row here. z is at most ${pretty(largest(0))} in the rows of ${classes[0]} (y = 0): from 37 on g would round to 1, and log(1 − g) be infinite. It is at least ${pretty(-largest(1))} in the rows of ${classes[1]} (y = 1): from −746 down g would round to 0.`,
    ),
  );
}

export function view(store: Store, place: Element): void {
  const [said, compared] = [el("p"), el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "both forms of the loss" })];
  put(
    place,
    said,
    el("p", {}, "The loss of the worst predicted rows, and its mean over the training rows, in the article's form, −(y log g + (1 − y) log(1 − g)), and in the stable one that this page computes: log(1 + e⁻ᶻ) if y = 1, log(1 + eᶻ) if y = 0."),
    compared,
    el("p", { class: "note" }, "A rounding error of a sum, as counted at the top, is u = 2⁻⁵³ times the sum of its absolute terms."),
  );
  function* check({ epoch }: State): Generator<void> {
    const { here, table, run, batch } = store;
    const found = yield* differences(table.training, store.point, run.how.alpha, batch ?? undefined);
    const exact = slopes(here, run.how.fitIntercept);
    const most = (of: readonly number[]): string => pretty(Math.max(...of.map(Math.abs)), 2);
    const rows = batch ? `the ${batch.length} rows of this batch` : `all ${table.training.m.toLocaleString("en")} training rows`;
    put(said, `Epoch ${epoch}: the gradient, and central differences of F over ${rows}. They differ by ${most(exact.map((d, j) => d - found[j]))} at most; the largest derivative is ${most(exact)}.`);
  }
  store.watch(POINT, check, said);
  store.watch(POINT, () => losses(store, compared), compared);
}
