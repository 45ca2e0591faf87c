// Going on from the present epoch in another way: another rate, batch, penalty or scaling. The old curves stay.

import { capital, el, pretty, put } from "../dom";
import { curvatures, largestEigenvalue, objective, type Point, type Rows } from "../math";
import { type How, lowered, Path } from "../run";
import { POINT, type Run, type Store } from "../store";

export const SCALINGS = { "as in the run": "run", "as in the table": "table", centred: "centred", standardised: "standardised" } as const;
export type Scaling = (typeof SCALINGS)[keyof typeof SCALINGS];
const SAYS: Record<Scaling, string> = { run: "", table: "columns as in the table", centred: "columns centred", standardised: "columns standardised" };

const EPOCHS = 2000;
const [BELOW, ABOVE] = [6, 3]; // powers of ten that the scale of the rate goes below and above 2/L_max

/** Rows in other units, and the same model's point in them: x' = (x - center) / scale. */
export function rescaled(rows: Rows, center: Float64Array, scale: Float64Array): Rows {
  return { ...rows, x: rows.x.map((x, k) => (x - center[k % rows.n]) / scale[k % rows.n]) };
}

export function moved(at: Point, center: Float64Array, scale: Float64Array): Point {
  return { w: at.w.map((w, j) => w * scale[j]), b: at.w.reduce((b, w, j) => b + w * center[j], at.b) };
}

/** The means and deviations of the training rows' columns. */
export function moments(rows: Rows): readonly [Float64Array, Float64Array] {
  const [mean, square] = [new Float64Array(rows.n), new Float64Array(rows.n)];
  let weight = 0;
  for (let i = 0; i < rows.m; i++) {
    const s = rows.s ? rows.s[i] : 1;
    weight += s;
    for (let j = 0; j < rows.n; j++) mean[j] += s * rows.x[i * rows.n + j];
  }
  for (let j = 0; j < rows.n; j++) mean[j] /= weight;
  for (let i = 0; i < rows.m; i++) {
    for (let j = 0; j < rows.n; j++) square[j] += ((rows.s ? rows.s[i] : 1) * (rows.x[i * rows.n + j] - mean[j]) ** 2) / weight;
  }
  return [mean, square.map((v) => (v > 0 ? Math.sqrt(v) : 1))];
}

/** The columns by how far what they add spreads over the rows at the end of a run, the widest first. */
export function spread({ training, path }: Run): number[] {
  const [{ w }, [, deviations]] = [path.at(path.last), moments(training)];
  return [...w.keys()].sort((i, j) => Math.abs(w[j]) * deviations[j] - Math.abs(w[i]) * deviations[i]);
}

/** Center and scale that take a run's units to others. */
function unitsOf(scaling: Scaling, { rows, training, center, scale }: Run): readonly [Float64Array, Float64Array] {
  const ones = new Float64Array(rows.n).fill(1);
  if (scaling === "run") return [new Float64Array(rows.n), ones];
  if (scaling === "table") return [center.map((c, j) => -c / scale[j]), scale.map((s) => 1 / s)];
  const [mean, sd] = moments(training);
  return [mean, scaling === "centred" ? ones : sd];
}

/** Make the run that goes on from the present epoch. */
export function forked(store: Store, part: Partial<How>, scaling: Scaling, epochs = EPOCHS): Run {
  const { run, state } = store;
  const how: How = { ...run.how, ...part };
  const [center, scale] = unitsOf(scaling, run);
  const [rows, training] = [rescaled(run.rows, center, scale), rescaled(run.training, center, scale)];
  const heldOut = run.heldOut && rescaled(run.heldOut, center, scale);
  const path = new Path(training, how, [[state.epoch, moved(store.point, center, scale)]], state.epoch + epochs);
  // a penalty is on the weights of its own units
  const isSame = how.alpha === run.how.alpha && (how.alpha === 0 || scaling === "run");
  const optimum = isSame && run.optimum ? moved(run.optimum, center, scale) : null;
  const units = { center: run.center.map((c, j) => c + center[j] * run.scale[j]), scale: run.scale.map((s, j) => s * scale[j]) };
  const others = [how.size && `batches of ${how.size}`, how.alpha && `α = ${pretty(how.alpha)}`, scaling !== "run" && SAYS[scaling]].filter(Boolean);
  const name = `this page, from epoch ${state.epoch}: ${[`rate ${pretty(how.rate)}`, ...others].join(", ")}`;
  return { name, how, rows, training, heldOut, ...units, path, from: state.epoch, optimum, isCertified: false, made: { run: state.run, edited: state.edited.at, batch: state.batch, scaling } };
}

/** Say what a run's rate did to F, from its value at each epoch. least: the lowest F that is known. */
export function verdict({ how, from }: Run, values: readonly number[], least: number): string {
  const [first, last, what] = [values[0], values[values.length - 1], lowered(how)];
  const rises = [...values.keys()].filter((k) => k > 0 && values[k] > values[k - 1] * (1 + 1e-12));
  const epochs = (values.length - 1).toLocaleString("en");
  const where = `${what} rises at ${rises.length.toLocaleString("en")} of ${epochs} epochs, first at epoch ${(from + rises[0]).toLocaleString("en")}`;
  const higher = last > first ? ", and ends above its start" : "";
  if (!Number.isFinite(last)) return "it diverges: the steps grow until F is no longer a finite number";
  if (rises.length && how.size > 0) return `it jitters${higher}: ${where}. Each batch has a gradient of its own, and pulls elsewhere than all rows together`;
  if (rises.length) return `it oscillates${higher}: ${where}. Such a step jumps over the lowest point in its direction and ends higher than it began`;
  if (first - last < 0.1 * (first - least)) return `it crawls: ${what} hardly falls in ${epochs} epochs, since the steps are so short`;
  return `it falls: ${what} rises at none of the ${epochs} epochs`;
}

const LONGEST = 1e6; // a rate that is typed
const HERE = "2/λ here";

export function view(store: Store, place: Element): void {
  const slider = el("input", { type: "range", step: 0.01, "aria-label": "learning rate, as a power of ten" });
  const rate = el("input", { type: "number", min: 0, step: "any", "aria-label": "learning rate" });
  const size = el("select", { "aria-label": "rows in a batch" }, ...[0, 1, 8, 32, 128].filter((k) => k < store.data.training.m).map((k) => el("option", { value: k }, k === 0 ? "all rows" : k === 1 ? "one row" : `batches of ${k}`)));
  const scaling = el("select", { "aria-label": "columns" }, ...Object.entries(SCALINGS).map(([label, value]) => el("option", { value }, label)));
  const alpha = el("input", { type: "number", min: 0, step: "any", value: store.data.alpha, "aria-label": "penalty α" });
  const [limits, far, what, wrong] = [el("p"), el("p", { class: "note" }), el("p", { role: "status" }), el("p", { role: "status" })];
  let limitsOf: { run: Run; safe: number; there: number } | null = null;
  let [largest, bend] = [NaN, NaN]; // eigenvalue at the point that is shown, and the mean of g (1 - g)
  const share = (value: number): number => (Math.log10(value) - Number(slider.min)) / (BELOW + ABOVE);
  let asked = NaN;
  /** Both fields show the rate that is asked for. */
  const asks = (value: number): void => {
    asked = value;
    if (document.activeElement !== rate) rate.value = String(Number(value.toPrecision(4)));
    slider.value = String(Math.log10(value));
    slider.setAttribute("aria-valuetext", `rate ${pretty(value)}`);
    tell();
  };
  /** What a step at the rate that is asked for would do here. */
  const tell = (): void => {
    if (!Number.isFinite(largest)) return put(limits, "The weights are no longer finite.");
    const chosen = asked > 0 ? asked : store.run.how.rate;
    const factor = Math.abs(1 - chosen * largest) < 1e-6 ? 0 : 1 - chosen * largest;
    const end = factor === 1 ? "it would stay, since nothing bends here." : factor >= 0 ? "it would shrink." : factor > -1 ? "the step jumps over that point, but ends nearer to it." : "the step jumps over that point and ends farther away, on the other side.";
    put(
      limits,
      `At this epoch ${lowered(store.run.how)} bends most with λ = ${pretty(largest)}, the largest eigenvalue of the Hessian. The Hessian weighs each row by its g (1 − g): ¼ at most, and ${pretty(bend)} on average over the rows here. `,
      `λ is ${chosen * largest < 2 ? "below" : "above"} 2/rate = ${pretty(2 / chosen)}. If it stayed so all the way, a step would multiply the distance to the lowest point in that direction by 1 − rate · λ = ${pretty(factor)}: ${end}`,
    );
  };
  const marks = el("div", { class: "marks", "aria-hidden": "true" });
  /** Mark rates below the slider, in an order that keeps the line of each from the words of the others. */
  const mark = (...rates: readonly (readonly [string, number])[]): void => {
    const isLeft = (value: number): boolean => share(value) > 0.55;
    const order = (a: number, b: number): number => (isLeft(a) !== isLeft(b) ? Number(isLeft(a)) - 0.5 : isLeft(a) ? a - b : b - a);
    const made = rates
      .filter(([, value]) => share(value) >= 0 && share(value) <= 1)
      .sort(([, a], [, b]) => order(a, b))
      .map(([label, value]) => el("span", { class: `${label === HERE ? "here " : ""}${isLeft(value) ? "left" : ""}`, style: `left: ${share(value) * 100}%` }, label));
    put(marks, ...made);
  };
  slider.addEventListener("input", () => asks(10 ** Number(slider.value)));
  rate.addEventListener("input", () => (Number(rate.value) > 0 ? asks(Number(rate.value)) : (asked = NaN)));
  rate.addEventListener("change", () => void (rate.value === "" && asks(store.run.how.rate)));
  const go = el("button", { type: "button", class: "main" }, "go on from here");
  go.addEventListener("click", () => {
    const a = alpha.value === "" ? NaN : Number(alpha.value);
    if (!(asked > 0 && asked <= LONGEST)) return put(wrong, "The learning rate must be a number above 0, and at most a million.");
    if (!(a >= 0 && a <= LONGEST)) return put(wrong, "The penalty α must be 0 or more, and at most a million.");
    put(wrong);
    const run = forked(store, { rate: asked, size: Number(size.value), alpha: a }, scaling.value as Scaling);
    store.change({ runs: [...store.state.runs, run], run: store.state.runs.length, isPlaying: false });
    what.scrollIntoView({ block: "nearest" });
  });
  /** What stays while a run plays: both limits of its rate, and the slider's scale around them. */
  function* limit(run: Run): Generator<void> {
    const { training, how, optimum } = run;
    const safe = 2 / (yield* largestEigenvalue(training, curvatures(training), how.alpha, how.fitIntercept));
    const there = optimum ? 2 / (yield* largestEigenvalue(training, curvatures(training, optimum), how.alpha, how.fitIntercept)) : NaN;
    limitsOf = { run, safe, there };
    const middle = Math.floor(Math.log10(safe));
    [slider.min, slider.max] = [String(middle - BELOW), String(middle + ABOVE)];
    put(
      far,
      `L_max is what λ would be if every row had g = ½: λ is never larger. ${capital(lowered(how))} rises in no step on all rows if the rate is below 2/L_max = ${pretty(safe)}.`,
      Number.isFinite(there) ? ` Near the optimum, rates below 2/λ = ${pretty(there)} still converge; larger ones never do.` : "",
    );
  }
  const verdicts = new WeakMap<Run, string>();
  function* judge(run: Run): Generator<void> {
    const { training, how, path, from, optimum } = run;
    const first = store.state.runs[0];
    const values: number[] = [];
    for (let epoch = from; epoch <= path.last; epoch++) values.push(objective(training, yield* path.reach(epoch), how.alpha));
    const known = optimum ? objective(training, optimum, how.alpha) : how.alpha === first.how.alpha ? store.sums(first.path.last, 0).objective : Infinity;
    verdicts.set(run, `With this rate (${pretty(how.rate)}) ${verdict(run, values, values.reduce((least, value) => (value < least ? value : least), known))}.`);
    put(what, verdicts.get(run));
  }
  const back = el("button", { type: "button", click: () => store.change({ run: 0, epoch: Math.min(store.state.epoch, store.state.runs[0].path.last) }) }, `back to ${store.state.runs[0].name}`);
  put(
    place,
    el("div", { class: "rate" }, slider, marks),
    el("div", { class: "bar" }, el("label", {}, "learning rate ", rate), el("label", {}, "rows in a batch ", size), el("label", {}, "columns ", scaling), el("label", {}, "penalty α ", alpha), go, back),
    wrong,
    what,
    limits,
    far,
  );
  function* here(): Generator<void> {
    const { run } = store;
    const { how } = run;
    const { training } = store.table;
    const h = curvatures(training, store.point);
    bend = h.reduce((sum, each) => sum + each, 0) / h.length;
    largest = yield* largestEigenvalue(training, h, how.alpha, how.fitIntercept);
    if (limitsOf?.run !== run) {
      yield* limit(run);
      asks(how.rate);
    }
    mark(["2/L_max", limitsOf!.safe], ["2/λ at the optimum", limitsOf!.there], [HERE, 2 / largest]);
    tell();
  }
  store.watch(POINT, here, place);
  store.watch(
    ["run"],
    () => {
      const { run } = store;
      back.hidden = !run.made;
      [size.value, alpha.value, scaling.value] = [String(run.how.size), String(run.how.alpha), "run"];
      put(what, verdicts.get(run) ?? "The page is training. It will say here what this rate does.");
      return verdicts.has(run) ? undefined : judge(run);
    },
    what,
  );
}
