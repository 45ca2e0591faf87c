// The computation graph of one row: values run forward, derivatives run back, step by step.

import { allShortened, el, pretty, put, redraw, shortened, signed, subscript, svg, type Child } from "../dom";
import { POINT, reached, type Row, STAGES, type Stage, type State, type Store } from "../store";
import { followed } from "./step";

const SHOWN = 8;
const NARROW = 860; // px, below which the graph runs from top to bottom

interface Input {
  readonly name: string;
  readonly short: string;
  /** Its subscript, "b" for the bias, "" for features folded into one line. */
  readonly label: string;
  readonly x: number;
  readonly w: number;
  readonly product: number;
  readonly dL: number;
  readonly isFollowed: boolean;
}

/** The strongest features of a row in the table's order, with the one that is followed; the others and those that are 0 folded into one line; and the bias. */
function inputs(store: Store, room: number): Input[] {
  const { row, point: { w, b }, data: { names, fitIntercept } } = store;
  const k = followed(store);
  const size = (j: number): number => (j === k ? Infinity : Math.abs(row.x[j] * w[j]));
  const order = [...names.keys()].filter((j) => row.x[j] !== 0 || j === k);
  order.sort((i, j) => size(j) - size(i) || 0);
  const folded = [...order.slice(SHOWN), ...[...names.keys()].filter((j) => row.x[j] === 0 && j !== k)];
  const short = allShortened(names, room);
  const line = (j: number, name: string, label: string, x: number, wj: number, shown = name): Input => ({ name, short: shown, label, x, w: wj, product: x * wj, dL: row.dL_dz * x, isFollowed: j === k });
  const lines = order.slice(0, SHOWN).sort((i, j) => i - j).map((j) => line(j, names[j], subscript(j + 1), row.x[j], w[j], short[j]));
  if (folded.length) {
    const sum = folded.reduce((total, j) => total + row.x[j] * w[j], 0);
    const zeros = names.length - order.length;
    const name = zeros === folded.length ? `${zeros} with x = 0` : `${folded.length} more`;
    lines.push({ name, short: name, label: "", x: NaN, w: NaN, product: sum, dL: NaN, isFollowed: false });
  }
  return fitIntercept ? [...lines, line(names.length, "bias", "b", 1, b)] : lines;
}

type Attributes = Record<string, string | number>;
const middle = { "text-anchor": "middle" };
const text = (x: number, y: number, said: string, more: Attributes = {}, ...within: Child[]): SVGElement => svg("text", { x, y, ...more }, said, ...within);

let canvas: CanvasRenderingContext2D | null = null;

/** The width of a text in the graph's font. */
function measured(said: string): number {
  if (!canvas) {
    canvas = document.createElement("canvas").getContext("2d")!;
    canvas.font = `14px ${getComputedStyle(document.documentElement).fontFamily}`;
  }
  return canvas.measureText(said).width;
}

/** A text that is pressed together where it would be wider than its room. */
const fitted = (x: number, y: number, said: string, room: number, more: Attributes = {}, ...within: Child[]): SVGElement =>
  text(x, y, said, { ...more, ...(measured(said) > room ? { textLength: room, lengthAdjust: "spacingAndGlyphs" } : {}) }, ...within);

/** A part that a click explains; with the keyboard, the parts of the weight that is followed do. */
const explained = (stage: Stage, isFollowed = true): Attributes => ({ "data-stage": stage, ...(isFollowed ? { tabindex: 0, role: "button" } : {}) });

function box(x: number, y: number, width: number, said: string, isNew: boolean, why: Attributes): SVGElement {
  return svg("g", { class: isNew ? "lit" : "", ...why }, svg("rect", { x, y: y - 15, width, height: 30, rx: 6, class: "box" }), fitted(x + width / 2, y + 5, said, width - 6, middle));
}

function line(points: readonly (readonly [number, number])[], kind: "forward" | "backward", isArrow: boolean, isNew = false): SVGElement {
  const [first, ...others] = points;
  const d = `M${first.join(" ")}${others.map((at) => `L${at.join(" ")}`).join("")}`;
  return svg("path", { d, class: isNew ? `${kind} lit` : kind, "marker-end": isArrow ? `url(#${kind})` : "none" });
}

function markers(): SVGElement {
  const made = (["forward", "backward"] as const).map((kind) =>
    svg("marker", { id: kind, viewBox: "0 0 8 8", refX: 7, refY: 4, markerUnits: "userSpaceOnUse", markerWidth: 14, markerHeight: 14, orient: "auto", class: kind }, svg("path", { d: "M0 0L8 4L0 8z" })),
  );
  return svg("defs", {}, ...made);
}

/** What a step shows: which values are there, and which of them is the newest. */
class Look {
  constructor(
    readonly row: Row,
    private readonly state: State,
    private readonly classes: readonly [string, string],
  ) {}

  readonly is = (stage: Stage): boolean => reached(this.state, stage);
  readonly isNew = (stage: Stage): boolean => STAGES[this.state.stage] === stage;

  /** A class as it stands beside y. */
  get y(): string {
    const name = this.classes[this.row.y];
    return name === String(this.row.y) ? `y = ${name}` : `y = ${this.row.y}: ${shortened(name, 18)}`;
  }

  node(x: number, y: number, name: "z" | "g" | "L", value: number, side: Attributes): SVGElement {
    const shape = svg("circle", { cx: x, cy: y, r: 24 });
    const label = text(x, y + 7, name, { ...middle, class: "name" });
    const told = this.is(name) ? text(x, y - 34, `= ${pretty(value)}`, { ...middle, class: "value", ...side }) : null;
    return svg("g", { class: this.isNew(name) ? "node lit" : "node", ...explained(name) }, shape, label, told);
  }

  /** The words of an input: its product, dz_dw, and dL_dw multiplied out. */
  words({ label, x, product, dL }: Input): readonly [string, string, string] {
    const isBias = label === "b";
    const of = isBias ? "b" : `w${label}`;
    const folded = label === "";
    const sum = folded ? `sum ${pretty(product)}` : isBias ? `b = ${pretty(product)}` : `x${label}w${label} = ${pretty(product)}`;
    const dz = folded ? "" : isBias ? "∂z/∂b = 1" : `∂z/∂${of} = ${pretty(x)}`;
    const back = this.is("dz_dw") ? `${pretty(this.row.dL_dz)} · ${signed(x)} = ${pretty(dL)}` : "not yet computed";
    return [this.is("z") ? sum : "", this.is("dz_dw") ? dz : "", folded ? "" : `∂L/∂${of} = ${back}`];
  }

  get product(): string {
    return `∂L/∂z = ${pretty(this.row.dL_dg)} · ${pretty(this.row.dg_dz)} = ${pretty(this.row.dL_dz)}`;
  }

  boxes({ label, x, w, isFollowed }: Input, left: number, y: number): Child[] {
    if (label === "") return [];
    const isBias = label === "b";
    return [!isBias && box(left, y, 112, `x${label} = ${pretty(x)}`, this.isNew("x"), explained("x", isFollowed)), box(left + 122, y, 118, `${isBias ? "b" : `w${label}`} = ${pretty(w)}`, this.isNew("dz_dw"), explained("update", isFollowed))];
  }
}

const name = (x: number, y: number, of: Input, room: number): SVGElement => fitted(x, y, of.short, room, { class: of.isFollowed ? "input followed" : "input" }, svg("title", {}, of.name));

/** From left to right: inputs, z, g, L. */
function wide(look: Look, lines: readonly Input[], about: Attributes): SVGElement {
  const gap = 72;
  const height = Math.max(lines.length * gap, 250) + 20;
  const y0 = height / 2;
  const [bend, z, g, L] = [585, 662, 830, 998];
  const parts: Child[] = [markers()];
  lines.forEach((input, k) => {
    const y = y0 + (k - (lines.length - 1) / 2) * gap - 6;
    const to = y0 + (k - (lines.length - 1) / 2) * 4;
    const [product, dz, dL] = look.words(input);
    const start = input.label === "" ? 176 : 420;
    parts.push(name(0, y + 5, input, 168));
    parts.push(...look.boxes(input, 176, y));
    parts.push(line([[start, y], [bend, y], [z - 26, to]], "forward", true, look.isNew("z")));
    if (look.is("dz_dw") && input.label !== "") parts.push(line([[z - 30, to + 5], [bend + 2, y + 6], [start + 2, y + 6]], "backward", true, look.isNew("dz_dw")));
    parts.push(fitted(432, y - 7, product, 148, explained("z", false)), fitted(432, y + 23, dz, 148, { class: "back", ...explained("dz_dw", look.is("dz_dw") && input.isFollowed) }), fitted(416, y + 32, dL, 410, { "text-anchor": "end", class: look.is("dz_dw") ? "back" : "muted", ...explained("dz_dw", false) }));
  });
  parts.push(line([[z + 26, y0 - 5], [g - 26, y0 - 5]], "forward", true, look.isNew("g")), line([[g + 26, y0 - 5], [L - 26, y0 - 5]], "forward", true, look.isNew("L")));
  if (look.is("dL_dg")) parts.push(line([[L - 26, y0 + 7], [g + 26, y0 + 7]], "backward", true, look.isNew("dL_dg")), text((g + L) / 2, y0 + 41, `∂L/∂g = ${pretty(look.row.dL_dg)}`, { ...middle, class: "back", ...explained("dL_dg") }));
  if (look.is("dg_dz")) {
    parts.push(line([[g - 26, y0 + 7], [z + 26, y0 + 7]], "backward", true, look.isNew("dg_dz")), text((z + g) / 2, y0 + 41, `∂g/∂z = ${pretty(look.row.dg_dz)}`, { ...middle, class: "back", ...explained("dg_dz") }));
    parts.push(text(z - 6, y0 + 90, look.product, { class: "back", ...explained("dg_dz", false) }));
  }
  parts.push(look.node(z, y0, "z", look.row.z, { "text-anchor": "start", x: z - 10 }), look.node(g, y0, "g", look.row.g, {}), look.node(L, y0, "L", look.row.loss, {}));
  parts.push(text(1066, y0 + 66, look.y, { "text-anchor": "end" }));
  return svg("svg", { viewBox: `0 0 1070 ${height}`, ...about }, ...parts);
}

/** From top to bottom, for a phone. */
function narrow(look: Look, lines: readonly Input[], about: Attributes): SVGElement {
  const gap = 108;
  const [trunk, x, first] = [394, 166, lines.length * gap + 60];
  const [z, g, L] = [first, first + 110, first + 220];
  const parts: Child[] = [markers()];
  lines.forEach((input, k) => {
    const y = k * gap + 44;
    const [product, dz, dL] = look.words(input);
    parts.push(name(0, y - 22, input, 380));
    parts.push(...look.boxes(input, 0, y));
    parts.push(line([[input.label === "" ? 0 : 244, y], [trunk, y], [trunk, z], [x + 26, z]], "forward", k === lines.length - 1, look.isNew("z")));
    if (look.is("dz_dw") && input.label !== "") parts.push(line([[trunk - 5, z - 6], [trunk - 5, y + 6], [246, y + 6]], "backward", true, look.isNew("dz_dw")));
    parts.push(fitted(250, y - 7, product, 136, explained("z", false)), fitted(250, y + 24, dz, 136, { class: "back", ...explained("dz_dw", look.is("dz_dw") && input.isFollowed) }), fitted(0, y + 45, dL, 385, { class: look.is("dz_dw") ? "back" : "muted", ...explained("dz_dw", false) }));
  });
  const side = { "text-anchor": "end", x: x - 34 };
  const down = (from: number, to: number, isNew: boolean): SVGElement => line([[x - 5, from + 26], [x - 5, to - 26]], "forward", true, isNew);
  const up = (from: number, to: number, said: string, stage: Stage): SVGElement[] => [line([[x + 7, from - 26], [x + 7, to + 26]], "backward", true, look.isNew(stage)), text(x + 18, (from + to) / 2 + 5, said, { class: "back", ...explained(stage) })];
  if (look.is("dz_dw")) parts.push(line([[x + 26, z - 6], [trunk - 5, z - 6]], "backward", false));
  parts.push(down(z, g, look.isNew("g")), down(g, L, look.isNew("L")));
  if (look.is("dL_dg")) parts.push(...up(L, g, `∂L/∂g = ${pretty(look.row.dL_dg)}`, "dL_dg"));
  if (look.is("dg_dz")) parts.push(...up(g, z, `∂g/∂z = ${pretty(look.row.dg_dz)}`, "dg_dz"), text(0, z - 40, look.product, { class: "back", ...explained("dg_dz", false) }));
  for (const [at, of, value] of [[z, "z", look.row.z], [g, "g", look.row.g], [L, "L", look.row.loss]] as const) parts.push(look.node(x, at, of, value, { ...side, y: at + 5 }));
  parts.push(text(x + 34, L + 5, look.y));
  return svg("svg", { viewBox: `0 0 400 ${L + 60}`, ...about }, ...parts);
}

/** Draw the graph of a row as far as `state.stage`. */
export function draw(store: Store, state: State, isNarrow: boolean): SVGElement {
  const { row } = store;
  const lines = inputs(store, isNarrow ? 40 : 22);
  const about = { class: isNarrow ? "graph narrow" : "graph", role: "group", "aria-label": described(row, lines, state) };
  return (isNarrow ? narrow : wide)(new Look(row, state, store.data.classes), lines, about);
}

function described(row: Row, lines: readonly Input[], state: State): string {
  const parts = [`Computation graph of a row with y = ${row.y}`, ...lines.map((input) => `${input.name}: ${pretty(input.product)}`)];
  if (reached(state, "z")) parts.push(`z = ${pretty(row.z)}`);
  if (reached(state, "g")) parts.push(`g = ${pretty(row.g)}`);
  if (reached(state, "L")) parts.push(`L = ${pretty(row.loss)}`);
  parts.push(reached(state, "dg_dz") ? `dL/dz = ${pretty(row.dL_dz)}` : "gradients not yet computed");
  return parts.join("; ");
}

/** Draw the graph, with the row's name and the choice of a weight above it; a click on a part asks why it is so. */
export function view(store: Store, place: HTMLElement, why: (stage: Stage) => void): void {
  let isNarrow = true; // until the place has a width
  const { data } = store;
  const [said, drawing] = [el("p", { class: "row" }), el("div")];
  const symbols = [...allShortened(data.names, 26).map((short, j) => `w${subscript(j + 1)} ${short}`), ...(data.fitIntercept ? ["b"] : [])];
  const choice = el("select", { "aria-label": "weight that the formulas follow" }, ...symbols.map((symbol, j) => el("option", { value: j }, symbol)));
  choice.addEventListener("change", () => store.change({ column: Number(choice.value) }));
  put(place, el("div", { class: "bar" }, said, el("label", {}, "The formulas follow ", choice)), drawing);
  const show = (): void => {
    const { state, row } = store;
    const { s } = store.run.rows;
    const isEdited = state.edited.x || state.edited.at;
    const of = [s ? `weight ${pretty(s[state.row])}` : "", data.isHeldOut[state.row] ? "held out" : "", isEdited ? "with your changes" : ""].filter(Boolean);
    put(said, `${[`Row ${data.rowNumbers[state.row]}: ${data.target} is ${data.classes[row.y]}`, ...of].join(", ")}.`);
    choice.value = String(followed(store));
    redraw(drawing, () => [draw(store, state, isNarrow)]);
  };
  const explain = ({ target }: Event): void => {
    const stage = (target as Element).closest("[data-stage]")?.getAttribute("data-stage");
    if (stage) why(stage as Stage);
  };
  drawing.addEventListener("click", explain);
  drawing.addEventListener("keydown", (event) => {
    if (event.shiftKey || !["Enter", " "].includes(event.key)) return;
    event.preventDefault(); // the page would scroll
    explain(event);
  });
  new ResizeObserver(() => {
    if (place.clientWidth < NARROW === isNarrow) return;
    isNarrow = !isNarrow;
    show();
  }).observe(place);
  store.watch([...POINT, "row", "stage", "column"], show, place);
}
