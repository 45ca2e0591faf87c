// One row: what each column adds in log-odds, odds and probability; and its values and the weights, to be edited.

import { allShortened, el, named, pretty, put, subscript } from "../dom";
import { sigmoid } from "../math";
import { spread } from "./fork";
import { outside } from "./step";
import { inTable, NOT_EDITED, POINT, reached, type State, type Store } from "../store";

type Field = "table" | "x" | "w";

/** A line of the table, its fields, and the cells of what it adds. */
interface Line {
  readonly row: HTMLElement;
  readonly fields: readonly (readonly [HTMLInputElement, Field])[];
  readonly cells: readonly HTMLElement[];
}

const SHOWN = 100; // columns one by one; the others are one line

export function view(store: Store, place: Element): void {
  const { data } = store;
  const n = data.names.length;
  const hasBias = data.fitIntercept;
  const bySpread = spread(store.state.runs[0]);
  let wanted: HTMLInputElement | null = null; // while a number is typed, its field must stay
  function changed(j: number, what: Field, value: number): void {
    if (!Number.isFinite(value)) return;
    const { edited } = store.state;
    if (what === "w") {
      const { w, b } = store.point;
      const next = Float64Array.from(w);
      if (j < n) next[j] = value;
      store.change({ edited: { ...edited, at: { w: next, b: j < n ? b : value } } });
    } else {
      const x = Float64Array.from(store.row.x);
      x[j] = what === "x" ? value : (value - store.run.center[j]) / store.run.scale[j];
      store.change({ edited: { ...edited, x } });
    }
  }
  const field = (j: number, what: Field): HTMLInputElement => {
    const label = j === n ? "bias b" : what === "table" ? `${data.names[j]} in the table` : `${what} of ${data.names[j]}`;
    const input = el("input", { type: "number", step: "any", "aria-label": label, change: () => void (input.value === "" && numbers()) });
    input.addEventListener("input", () => {
      if (input.value === "") return;
      wanted = input;
      changed(j, what, Number(input.value));
      wanted = null;
    });
    return input;
  };
  const line = (head: HTMLElement, j: number, ...kinds: (Field | "")[]): Line => {
    const fields: [HTMLInputElement, Field][] = [];
    const held = kinds.map((kind) => {
      if (kind) fields.push([field(j, kind), kind]);
      return el("td", {}, kind && fields.at(-1)![0]);
    });
    const cells = [el("td"), el("td"), el("td")];
    return { row: el("tr", {}, head, ...held, ...cells), fields, cells };
  };
  const undo = el("button", { type: "button", click: () => (store.change({ edited: NOT_EDITED }), show()) }, "undo all changes");
  const short = allShortened(data.names, 26);
  const [says, body, said] = [el("span"), el("tbody"), el("p", { role: "status" })];
  const most = Math.min(n, SHOWN);
  let lines: Line[]; // of each column, and last of the bias
  let weakest: Line;
  let order: number[];
  let inUnits: boolean;
  /** The table of a run: its lines are made once, and stay from epoch to epoch. */
  function make(): void {
    const { center, scale } = store.run;
    inUnits = scale.some((each, j) => each !== 1 || center[j] !== 0);
    const unit = inUnits ? [""] as const : [];
    [lines, order] = [[], []];
    lines[n] = line(named("bias", "bias", "b"), n, ...unit, "", "w");
    weakest = line(el("th", { scope: "row" }, `${n - most} more, the weakest`), n, ...unit, "", "");
    const heads = ["column", ...(inUnits ? ["in the table"] : []), "x", "w", "log-odds x·w", "odds", "g so far"];
    const table = el("table", {}, el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))), body);
    put(place, el("p", {}, says, undo), el("div", { class: "scroll high", tabindex: 0, role: "region", "aria-label": "contributions of the columns" }, table), said);
  }
  /** Order the columns by what they add, the largest first. */
  function show(): void {
    const [{ x }, { w }] = [store.row, store.point];
    const added = w.map((wj, j) => Math.abs(x[j] * wj));
    const before = order;
    order = [...bySpread].sort((i, j) => added[j] - added[i]);
    const shown = order.slice(0, most);
    if (shown.some((j, k) => j !== before[k])) {
      for (const j of shown) lines[j] ??= line(named(short[j], data.names[j], `w${subscript(j + 1)}`), j, ...(inUnits ? (["table"] as const) : []), "x", "w");
      put(body, hasBias && lines[n].row, ...shown.map((j) => lines[j].row), n > most && weakest.row);
    }
    put(says, `Change a number of row ${data.rowNumbers[store.state.row]} and watch the graph. A changed w holds at this epoch; “go on from here” trains on from it. A changed x counts at this step alone. `);
    numbers();
  }
  function numbers(): void {
    const [now, at] = [store.row, store.point];
    undo.hidden = !store.state.edited.x && !store.state.edited.at;
    let z = 0;
    const write = ({ fields, cells }: Line, j: number, add: number): void => {
      z += add;
      [pretty(add), `× ${pretty(Math.exp(add), 3)}`, pretty(sigmoid(z))].forEach((text, k) => put(cells[k], text));
      for (const [input, what] of fields) {
        const value = what === "table" ? inTable(store.run, j, now.x[j]) : Number((what === "x" ? now.x[j] : j < n ? at.w[j] : at.b).toPrecision(4));
        const text = Number.isFinite(value) ? String(value) : "";
        if (input !== wanted && input.value !== text) input.value = text;
      }
    };
    write(lines[n], n, at.b);
    for (const j of order.slice(0, most)) write(lines[j], j, now.x[j] * at.w[j]);
    write(weakest, n, order.slice(most).reduce((sum, j) => sum + now.x[j] * at.w[j], 0));
    const length = Math.hypot(hasBias ? now.dL_dz : 0, ...Array.from(now.x, (x) => x * now.dL_dz));
    const rows = store.batch ? `the batch of ${store.batch.length}` : `${data.training.m.toLocaleString("en")} rows`;
    const part = store.weight ? `, of which ${pretty((store.weight * length) / store.here.weight)} is in the mean over ${rows}.` : `; it is ${outside(store)} and adds nothing to the mean.`;
    put(said, `z = ${pretty(now.z)}, g = ${pretty(now.g)}, loss ${pretty(now.loss)}. `, reached(store.state, "dz_dw") ? `Its gradient has the length ${pretty(length)}${part}` : "Its gradient is not yet computed.");
  }
  const look = (state: State, before: State): void => {
    if (state === before || state.run !== before.run) make();
    const keys = ["epoch", "batch", "row", "run"] as const;
    if (state === before || keys.some((key) => state[key] !== before[key])) show();
    else numbers();
  };
  store.watch([...POINT, "row", "stage"], look, place);
}
