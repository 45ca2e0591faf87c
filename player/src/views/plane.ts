// Two pictures of a plane: the decision map of two columns, and the loss surface of two weights with the path of training.

import { contours } from "d3-contour";
import { allShortened, el, pretty, put, svg } from "../dom";
import { logOddsOf, meanLoss, type Point, type Rows } from "../math";
import { lowered } from "../run";
import { inTable, type Pair, POINT, type Run, type Store } from "../store";
import { spread } from "./fork";
import { shownEpochs } from "./time";

const [WIDTH, HEIGHT, EDGE] = [430, 340, 58];

interface Range {
  readonly low: number;
  readonly high: number;
}

function rangeOf(values: Iterable<number>, more: number): Range {
  let [low, high] = [Infinity, -Infinity];
  for (const v of values) {
    low = Math.min(low, v);
    high = Math.max(high, v);
  }
  const room = (high - low || Math.max(1, Math.abs(high))) * more;
  return { low: low - room, high: high + room };
}

const at = (range: Range, share: number): number => range.low + share * (range.high - range.low);
/** Write an end of a range so that it differs from the other. */
function end({ low, high }: Range, value: number): string {
  const digits = Math.ceil(Math.log10(Math.max(Math.abs(low), Math.abs(high)) / (high - low)));
  return pretty(value, 2 + Math.max(1, digits));
}
const share = (range: Range, value: number): number => (value - range.low) / (range.high - range.low);
const across = (range: Range, value: number): number => EDGE + share(range, value) * (WIDTH - EDGE - 8);
const up = (range: Range, value: number): number => HEIGHT - EDGE - share(range, value) * (HEIGHT - EDGE - 8);

/** The part of a grid of `size` by `size` where its values are above a level: a path in the picture's coordinates. */
function area(values: number[], size: number, level: number): string {
  const x = (k: number): string => (EDGE + ((k - 0.5) / (size - 1)) * (WIDTH - EDGE - 8)).toFixed(1);
  const y = (k: number): string => (HEIGHT - EDGE - ((k - 0.5) / (size - 1)) * (HEIGHT - EDGE - 8)).toFixed(1);
  const { coordinates } = contours().size([size, size]).contour(values, level);
  return coordinates.map((rings) => rings.map((ring) => `M${ring.map(([a, b]) => `${x(a)} ${y(b)}`).join("L")}Z`).join("")).join("");
}

/** The part of the plane where something linear, with `value` at the ends of the axes, is above a level: a path, "" if none. */
function above(value: (right: number, top: number) => number, level: number): string {
  const ends = [[-0.1, -0.1], [1.1, -0.1], [1.1, 1.1], [-0.1, 1.1]]; // beyond the frame, which cuts off the other edges
  const values = ends.map(([right, top]) => value(right, top) - level).map((v) => (v >= -1e300 ? Math.min(1e300, v) : -1e300)); // NaN too
  const corners = ends.flatMap(([right, top], k) => {
    const [next, here, there] = [(k + 1) % 4, values[k], values[(k + 1) % 4]];
    const t = here / (here - there);
    return [...(here >= 0 ? [[right, top]] : []), ...(here >= 0 !== there >= 0 ? [[right + t * (ends[next][0] - right), top + t * (ends[next][1] - top)]] : [])];
  });
  const unit = { low: 0, high: 1 };
  return corners.length ? `M${corners.map(([right, top]) => `${across(unit, right).toFixed(1)} ${up(unit, top).toFixed(1)}`).join("L")}Z` : "";
}

/** The values of a column of the rows; 1 for a place of n. */
const columnOf = ({ m, n, x }: Rows, j: number): Float64Array => Float64Array.from({ length: m }, (_, i) => (j < n ? x[i * n + j] : 1));

/** A plane with its axes; `label` writes the ends of the first and the second. */
function frame(x: Range, y: Range, xName: string, yName: string, label: (value: number, axis: 0 | 1) => string, ...inside: SVGElement[]): SVGElement {
  const text = (left: number, top: number, said: string, anchor = "middle"): SVGElement => svg("text", { x: left, y: top, "text-anchor": anchor }, said);
  const upward = (left: number, top: number, said: string, anchor = "middle"): SVGElement => svg("text", { "text-anchor": anchor, transform: `translate(${left} ${top}) rotate(-90)` }, said);
  return svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "plane", role: "img" },
    svg("defs", {}, svg("clipPath", { id: "inside" }, svg("rect", { x: EDGE, y: 8, width: WIDTH - EDGE - 8, height: HEIGHT - EDGE - 8 }))),
    svg("g", { "clip-path": "url(#inside)" }, ...inside),
    svg("rect", { x: EDGE, y: 8, width: WIDTH - EDGE - 8, height: HEIGHT - EDGE - 8, class: "frame" }),
    text(EDGE, HEIGHT - EDGE + 18, label(x.low, 0), "start"),
    text(WIDTH - 8, HEIGHT - EDGE + 18, label(x.high, 0), "end"),
    text((EDGE + WIDTH) / 2, HEIGHT - 6, xName),
    upward(EDGE - 10, HEIGHT - EDGE, label(y.low, 1), "start"),
    upward(EDGE - 10, 8, label(y.high, 1), "end"),
    upward(18, (HEIGHT - EDGE) / 2, yName),
  );
}

/** Where the two axes are chosen; returns what shows a choice. */
function chooser(place: Element, names: readonly string[], what: string, choose: (chosen: Pair) => void): (chosen: Pair) => void {
  const selects = ["across", "up"].map((way) => el("select", { "aria-label": `${what} ${way}`, change: () => choose([Number(selects[0].value), Number(selects[1].value)]) }, ...names.map((name, j) => el("option", { value: j }, name))));
  put(place, el("label", {}, "across ", selects[0]), el("label", {}, "up ", selects[1]));
  return (chosen) => selects.forEach((select, k) => (select.value = String(chosen[k])));
}

/** The two columns whose contributions spread most at the end of the first run; columns of many values come first. */
function strongest({ state }: Store): Pair {
  const run = state.runs[0];
  const order = spread(run);
  const isMany = order.map((_, j) => new Set(columnOf(run.rows, j)).size > 8);
  order.sort((i, j) => Number(isMany[j]) - Number(isMany[i]));
  return [order[0], order[1] ?? order[0]];
}

/** g over two columns, the others as in the row that is shown; and all rows. */
export function map(store: Store, place: Element): void {
  if (store.run.rows.n < 2) return put(place, el("p", { class: "note" }, "A map needs two columns."));
  const first = strongest(store);
  let [a, b] = first;
  const [bar, picture] = [el("div", { class: "bar" }), el("figure")];
  const { names, classes } = store.data;
  const chosen = chooser(bar, names, "column", (map) => store.change({ map }));
  const short = allShortened(names, 30);
  const levels = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9].map((g) => [svg("path", { class: g === 0.5 ? "half" : "level" }), g] as const);
  const [fills, dots] = [svg("g", {}, ...levels.map(([path]) => path)), svg("g")];
  const mark = svg("circle", { r: 8, class: "mark" });
  let [x, y]: [Range, Range] = [{ low: 0, high: 1 }, { low: 0, high: 1 }];
  let made: SVGElement;
  /** The axes and the rows, which stay from epoch to epoch. */
  const make = (): void => {
    const { rows } = store.run;
    chosen([a, b] = store.state.map ?? first);
    const [xs, ys] = [columnOf(rows, a), columnOf(rows, b)];
    [x, y] = [rangeOf(xs, 0.06), rangeOf(ys, 0.06)];
    put(dots, ...Array.from(xs, (_, i) => svg(rows.y[i] ? "circle" : "rect", rows.y[i] ? { cx: across(x, xs[i]), cy: up(y, ys[i]), r: 3.2, class: "one" } : { x: across(x, xs[i]) - 2.8, y: up(y, ys[i]) - 2.8, width: 5.6, height: 5.6, class: "zero" })));
    const label = (value: number, axis: 0 | 1): string => pretty(inTable(store.run, [a, b][axis], value), 3);
    made = frame(x, y, short[a], short[b], label, fills, dots, mark);
    put(picture, made, el("figcaption", {}, `The stronger the blue, the more probable is ${classes[1]}; the thick line is g = ½. The other columns are as in the row that is ringed. Circles are ${classes[1]}, squares ${classes[0]}.`));
    show();
  };
  const show = (): void => {
    const [point, row] = [store.point, store.row];
    const rest = row.z - row.x[a] * point.w[a] - (a === b ? 0 : row.x[b] * point.w[b]);
    const z = (right: number, top: number): number => rest + at(x, right) * point.w[a] + at(y, top) * point.w[b];
    levels.forEach(([path, g]) => path.setAttribute("d", above(z, Math.log(g / (1 - g)))));
    mark.setAttribute("cx", String(across(x, row.x[a])));
    mark.setAttribute("cy", String(up(y, row.x[b])));
    made.setAttribute("aria-label", `probability of ${classes[1]} over ${names[a]} and ${names[b]}; g is ${pretty(row.g)} at row ${store.data.rowNumbers[store.state.row]}`);
  };
  put(place, bar, picture);
  store.watch([...POINT, "row", "map"], (state, before) => (state === before || state.run !== before.run || state.map !== before.map ? make() : show()), picture);
}

/** F over two weights (or a weight and b), the others as they are; with the path of the run. */
export function surface(store: Store, place: Element): void {
  const { fitIntercept } = store.data;
  const names = [...store.data.names, ...(fitIntercept ? ["bias"] : [])];
  const short = [...allShortened(store.data.names, 30).map((name) => `w of ${name}`), "b"];
  const first: Pair = store.run.rows.n < 2 ? [0, fitIntercept ? 1 : 0] : strongest(store);
  let [a, b] = first;
  const [bar, picture] = [el("div", { class: "bar" }), el("figure")];
  const chosen = chooser(bar, names, "weight", (surface) => store.change({ surface }));
  let [pathOf, path]: [Run | null, Point[]] = [null, []];
  const of = (point: Point, j: number): number => (j < point.w.length ? point.w[j] : point.b);
  const isDrawn = (point: Point): boolean => Math.abs(of(point, a)) + Math.abs(of(point, b)) < 1e6; // false for NaN
  function* show(): Generator<void> {
    const { run, state } = store;
    const [point, n] = [store.point, run.rows.n];
    chosen([a, b] = state.surface ?? first);
    if (pathOf !== run) {
      const found: Point[] = [];
      for (const epoch of shownEpochs(run.path.last, run.from, 120)) found.push(yield* run.path.reach(epoch));
      [pathOf, path] = [run, found];
    }
    const shown = [...path, point, ...(store.data.optimum && run.isCertified ? [store.data.optimum.at] : [])].filter(isDrawn);
    const [x, y] = [rangeOf(shown.map((each) => of(each, a)), 0.25), rangeOf(shown.map((each) => of(each, b)), 0.25)];
    const size = state.isPlaying ? 12 : 20;
    const values = yield* grid(store.table.training, point, [a, b], x, y, size, run.how.alpha);
    const low = Math.min(...values);
    const high = Math.max(...values);
    // no value is finite if no point is drawn, or if the present one has run away
    if (!Number.isFinite(high - low)) return put(picture, el("p", { class: "note" }, "The weights have grown too large to be drawn."));
    const levels = Array.from({ length: 12 }, (_, k) => low + (high - low) * ((k + 1) / 13) ** 2);
    const lines: SVGElement[] = [];
    for (const level of levels) {
      lines.push(svg("path", { d: area(values, size, level), class: "contour" }));
      yield;
    }
    const d = `M${path.filter(isDrawn).map((each) => `${across(x, of(each, a)).toFixed(1)} ${up(y, of(each, b)).toFixed(1)}`).join("L")}`;
    const here = isDrawn(point) ? svg("circle", { cx: across(x, of(point, a)), cy: up(y, of(point, b)), r: 6, class: "here" }) : null;
    const best = store.data.optimum && run.isCertified ? svg("path", { d: `M${across(x, of(store.data.optimum.at, a)) - 6} ${up(y, of(store.data.optimum.at, b))}h12m-6-6v12`, class: "best" }) : null;
    const made = frame(x, y, short[a], short[b], (value, axis) => end([x, y][axis], value), ...lines, svg("path", { d, class: "path" }), ...(best ? [best] : []), ...(here ? [here] : []));
    const ends = `from ${pretty(levels[0])} to ${pretty(levels[levels.length - 1])}`;
    made.setAttribute("aria-label", `${lowered(run.how)} over two weights, lines ${ends}; the run is at ${pretty(of(point, a))}, ${pretty(of(point, b))}`);
    put(picture, made, el("figcaption", {}, `Lines on which ${lowered(run.how)} is the same, ${ends}${n > 1 ? `; the other ${n - 1} weights are as at this epoch` : ""}. Orange: the path of the run${best ? `. Cross: the certified optimum${n > 1 ? ", whose other weights differ from this epoch's: so it need not be the lowest point here" : ""}` : ""}.`));
  }
  put(place, bar, picture);
  store.watch([...POINT, "isPlaying", "surface"], show, picture);
}

/** F on a grid of two parameters, row by row from the bottom; a place of n is b. */
export function* grid(rows: Rows, point: Point, [a, b]: readonly [number, number], x: Range, y: Range, size: number, alpha: number): Generator<void, number[]> {
  const { m, n } = rows;
  const without = { w: Float64Array.from(point.w, (w, j) => (j === a || j === b ? 0 : w)), b: a === n || b === n ? 0 : point.b };
  const rest = logOddsOf(rows, without);
  const [across, up] = [columnOf(rows, a), a === b ? new Float64Array(m) : columnOf(rows, b)];
  const ridge = without.w.reduce((sum, w) => sum + w * w, 0);
  const values: number[] = [];
  for (let k = 0; k < size * size; k++) {
    const [u, v] = [at(x, (k % size) / (size - 1)), at(y, Math.floor(k / size) / (size - 1))];
    values.push(meanLoss(rows, (i) => rest[i] + u * across[i] + v * up[i]) + 0.5 * alpha * (ridge + (a < n ? u * u : 0) + (b < n && b !== a ? v * v : 0)));
    if (k % size === size - 1) yield;
  }
  return values;
}
