// The computation graph of one row: values run forward, derivatives run back, step by step.

import { pretty, put, shortened, subscript, svg, tex } from "../dom";
import { reached, type Row, rowAt, type State, type Store } from "../store";

const SHOWN = 8;
const LINE = 62;

interface Input {
  readonly name: string;
  readonly label: string;
  readonly x: number | null;
  readonly w: number | null;
  readonly product: number;
  readonly dL: number | null;
}

/** The strongest features of a row, the others and those that are 0 folded into one line, and the bias. */
export function inputs(names: readonly string[], row: Row, w: Float64Array, b: number, most = SHOWN): Input[] {
  const order = [...names.keys()].filter((j) => row.x[j] !== 0);
  order.sort((i, j) => Math.abs(row.x[j] * w[j]) - Math.abs(row.x[i] * w[i]));
  const folded = [...order.slice(most), ...[...names.keys()].filter((j) => row.x[j] === 0)];
  const lines: Input[] = order.slice(0, most).map((j) => ({
    name: names[j],
    label: subscript(j + 1),
    x: row.x[j],
    w: w[j],
    product: row.x[j] * w[j],
    dL: row.dL_dz * row.x[j],
  }));
  if (folded.length) {
    const sum = folded.reduce((total, j) => total + row.x[j] * w[j], 0);
    const name = `${folded.length} more, with a sum of`;
    lines.push({ name, label: "", x: null, w: null, product: sum, dL: null });
  }
  lines.push({ name: "bias", label: "b", x: 1, w: b, product: b, dL: row.dL_dz });
  return lines;
}

const text = (x: number, y: number, said: string, more: Record<string, string | number> = {}): SVGElement =>
  svg("text", { x, y, ...more }, said);

function box(x: number, y: number, width: number, said: string, lit = false): SVGElement {
  const middle = { "text-anchor": "middle" };
  return svg(
    "g",
    { class: lit ? "lit" : "" },
    svg("rect", { x, y: y - 15, width, height: 30, rx: 6, class: "box" }),
    text(x + width / 2, y + 5, said, middle),
  );
}

function node(x: number, y: number, name: string, value: string | null, lit: boolean): SVGElement {
  return svg(
    "g",
    { class: lit ? "node lit" : "node" },
    svg("circle", { cx: x, cy: y, r: 24 }),
    text(x, y + 7, name, { "text-anchor": "middle", class: "name" }),
    value === null ? null : text(x, y - 34, `= ${value}`, { "text-anchor": "middle", class: "value" }),
  );
}

const arrow = (from: readonly [number, number], to: readonly [number, number], kind: string): SVGElement => {
  const middle = (from[0] + to[0]) / 2;
  const path = `M${from[0]} ${from[1]} C${middle} ${from[1]} ${middle} ${to[1]} ${to[0]} ${to[1]}`;
  return svg("path", { d: path, class: kind, "marker-end": `url(#${kind})` });
};

function markers(): SVGElement {
  return svg(
    "defs",
    {},
    ...["forward", "backward"].map((kind) =>
      svg(
        "marker",
        { id: kind, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto-start-reverse", class: kind },
        svg("path", { d: "M0 0L8 4L0 8z" }),
      ),
    ),
  );
}

/** Draw the graph of a row as far as `state.stage`. */
export function draw(store: Store, state: State): SVGElement {
  const at = store.point;
  const row = rowAt(store.data.rows, state.row, at);
  const lines = inputs(store.data.given.names, row, at.w, at.b);
  const height = Math.max(lines.length * LINE + 40, 260);
  const middle = height / 2;
  const is = (stage: Parameters<typeof reached>[1]): boolean => reached(state, stage);
  const newest = (stage: string): boolean => ["x", "z", "g", "L", "dL_dg", "dg_dz", "dz_dw"][state.stage] === stage;
  const [z, g, L] = [640, 790, 950];
  const unknown = "not yet computed";
  const out = svg("svg", { viewBox: `0 0 1020 ${height + 70}`, class: "graph", role: "img", "aria-label": described(row, lines, state) }, markers());
  lines.forEach((line, k) => {
    const y = middle + (k - (lines.length - 1) / 2) * LINE;
    const isBias = line.label === "b";
    const name = text(0, y + 5, shortened(line.name, 22), { class: "input" });
    name.append(svg("title", {}, line.name));
    out.append(name);
    if (line.x !== null && line.w !== null) {
      if (!isBias) out.append(box(180, y, 104, `x${line.label} = ${pretty(line.x)}`, newest("x")));
      out.append(box(298, y, 116, `${isBias ? "b" : `w${line.label}`} = ${pretty(line.w)}`, newest("dz_dw")));
    }
    if (is("z")) out.append(text(426, y - 6, isBias || line.x === null ? pretty(line.product) : `x${line.label}w${line.label} = ${pretty(line.product)}`));
    out.append(arrow([line.x === null ? 180 : 418, y], [z - 26, middle + (k - (lines.length - 1) / 2) * 3], "forward"));
    if (line.dL !== null) {
      const said = `∂L/∂${isBias ? "b" : `w${line.label}`} = ${is("dz_dw") ? pretty(line.dL) : unknown}`;
      out.append(text(298, y + 31, said, { class: is("dz_dw") ? "back" : "back muted" }));
      if (is("dz_dw")) out.append(text(426, y + 16, isBias ? "∂z/∂b = 1" : `∂z/∂w${line.label} = ${pretty(line.x)}`, { class: "back" }));
    }
  });
  out.append(
    arrow([z + 26, middle - 5], [g - 26, middle - 5], "forward"),
    arrow([g + 26, middle - 5], [L - 26, middle - 5], "forward"),
    node(z, middle, "z", is("z") ? pretty(row.z) : null, newest("z")),
    node(g, middle, "g", is("g") ? pretty(row.g) : null, newest("g")),
    node(L, middle, "L", is("L") ? pretty(row.loss) : null, newest("L")),
    text(L, middle + 46, `y = ${row.y}`, { "text-anchor": "middle" }),
  );
  if (is("dL_dg")) out.append(arrow([L - 26, middle + 7], [g + 26, middle + 7], "backward"), text((g + L) / 2, middle + 32, `∂L/∂g = ${pretty(row.dL_dg)}`, { class: "back", "text-anchor": "middle" }));
  if (is("dg_dz")) {
    out.append(arrow([g - 26, middle + 7], [z + 26, middle + 7], "backward"));
    out.append(text((z + g) / 2, middle + 32, `∂g/∂z = ${pretty(row.dg_dz)}`, { class: "back", "text-anchor": "middle" }));
    out.append(text(z, middle + 66, `∂L/∂z = ${pretty(row.dL_dg)} · ${pretty(row.dg_dz)} = ${pretty(row.dL_dz)}`, { class: "back", "text-anchor": "middle" }));
  }
  return out;
}

function described(row: Row, lines: readonly Input[], state: State): string {
  const parts = [`Computation graph of a row with y = ${row.y}`, ...lines.map((line) => `${line.name}: ${pretty(line.product)}`)];
  if (reached(state, "z")) parts.push(`z = ${pretty(row.z)}`);
  if (reached(state, "g")) parts.push(`g = ${pretty(row.g)}`);
  if (reached(state, "L")) parts.push(`L = ${pretty(row.loss)}`);
  parts.push(reached(state, "dg_dz") ? `dL/dz = ${pretty(row.dL_dz)}` : "gradients not yet computed");
  return parts.join("; ");
}

/** The formula of the newest step, with its numbers. */
export function formula(store: Store, state: State): Element {
  const { i, n, o, row: r, over, sub, sup, block } = tex;
  const row = rowAt(store.data.rows, state.row, store.point);
  const d = (a: string, b: string): Element => over(r(o("∂"), i(a)), r(o("∂"), i(b)));
  const stage = state.stage;
  if (stage === 0) return block(i("x"), o("="), tex.text("the row as it is in the table, in the units of the fit"));
  if (stage === 1) return block(i("z"), o("="), o("∑"), sub(i("x"), i("j")), sub(i("w"), i("j")), o("+"), i("b"), o("="), n(row.z));
  if (stage === 2) return block(i("g"), o("="), over(n("1"), r(n("1"), o("+"), sup(i("e"), r(o("−"), i("z"))))), o("="), n(row.g));
  if (stage === 3) return block(i("L"), o("="), o("−"), i("log"), row.y ? i("g") : r(o("("), n("1"), o("−"), i("g"), o(")")), o("="), n(row.loss));
  if (stage === 4) return block(d("L", "g"), o("="), row.y ? r(o("−"), over(n("1"), i("g"))) : over(n("1"), r(n("1"), o("−"), i("g"))), o("="), n(row.dL_dg));
  if (stage === 5)
    return block(d("g", "z"), o("="), i("g"), o("("), n("1"), o("−"), i("g"), o(")"), o("="), n(row.dg_dz), o(","), d("L", "z"), o("="), i("g"), o("−"), i("y"), o("="), n(row.dL_dz));
  return block(d("L", "w"), o("="), d("L", "g"), d("g", "z"), d("z", "w"), o("="), n(row.dL_dz), o("·"), i("x"));
}

export function view(store: Store, place: Element, below: Element): void {
  store.watch((state, before) => {
    const same = state === before ? false : state.epoch === before.epoch && state.row === before.row && state.stage === before.stage && state.run === before.run;
    if (same) return;
    put(place, draw(store, state));
    put(below, formula(store, state));
  });
}
