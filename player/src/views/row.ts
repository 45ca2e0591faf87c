// One row: what each column adds in log-odds, odds and probability; and its values and the weights, to be edited.

import { allShortened, el, named, pretty, put, subscript } from "../dom";
import { sigmoid } from "../math";
import { spread } from "./fork";
import { inTable, NOT_EDITED, reached, type Store } from "../store";

type Field = "table" | "x" | "w";

const SHOWN = 100; // columns one by one; the others are one line

export function view(store: Store, place: Element): void {
  const { data } = store;
  const n = data.names.length;
  const bySpread = spread(store.state.runs[0]);
  let wanted: HTMLInputElement | null = null; // while a number is typed, its field must stay
  const valueOf = (j: number, what: Field): number => {
    if (what === "table") return inTable(store.run, j, store.row.x[j]);
    return Number((what === "x" ? store.row.x[j] : j < n ? store.point.w[j] : store.point.b).toPrecision(4));
  };
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
  let fields: (readonly [HTMLInputElement, number, Field])[] = [];
  const field = (j: number, what: Field, label: string): HTMLInputElement => {
    const input = el("input", { type: "number", step: "any", value: valueOf(j, what), "aria-label": label });
    input.addEventListener("input", () => {
      if (input.value === "") return;
      wanted = input;
      changed(j, what, Number(input.value));
      wanted = null;
    });
    fields.push([input, j, what]);
    return input;
  };
  const undo = el("button", { type: "button", click: () => (store.change({ edited: NOT_EDITED }), show()) }, "undo all changes");
  const short = allShortened(data.names, 26);
  let numbers = (): void => {};
  function show(): void {
    const { row, run } = store;
    const inUnits = run.scale.some((scale, j) => scale !== 1 || run.center[j] !== 0);
    const all = [...bySpread].sort((i, j) => Math.abs(row.x[j] * store.point.w[j]) - Math.abs(row.x[i] * store.point.w[i]));
    const [order, others] = [all.slice(0, SHOWN), all.slice(SHOWN)];
    const three = (): HTMLElement[] => [el("td"), el("td"), el("td")];
    const [biasCells, cells, otherCells, said] = [three(), order.map(three), three(), el("p", { role: "status" })];
    fields = [];
    numbers = (): void => {
      const [now, at] = [store.row, store.point];
      undo.hidden = !store.state.edited.x && !store.state.edited.at;
      for (const [input, j, what] of fields) if (input !== wanted) input.value = String(valueOf(j, what));
      let z = 0;
      const write = ([sum, odds, g]: HTMLElement[], add: number): void => {
        z += add;
        put(sum, pretty(add));
        put(odds, `× ${pretty(Math.exp(add), 3)}`);
        put(g, pretty(sigmoid(z)));
      };
      write(biasCells, at.b);
      order.forEach((j, k) => write(cells[k], now.x[j] * at.w[j]));
      write(otherCells, others.reduce((sum, j) => sum + now.x[j] * at.w[j], 0));
      const length = Math.hypot(now.dL_dz, ...Array.from(now.x, (x) => x * now.dL_dz));
      const rows = store.batch ? `the batch of ${store.batch.length}` : `${data.training.m.toLocaleString("en")} rows`;
      const part = store.share ? `, of which ${pretty(store.share * length)} is in the mean over ${rows}.` : data.isHeldOut[store.state.row] ? "; it is held out and adds nothing to the mean." : "; it is not in this batch and adds nothing to its mean.";
      put(said, `z = ${pretty(now.z)}, g = ${pretty(now.g)}, loss ${pretty(now.loss)}. `, reached(store.state, "dz_dw") ? `Its gradient has the length ${pretty(length)}${part}` : "Its gradient is not yet computed.");
    };
    put(
      place,
      el("p", {}, `Change a number of row ${data.rowNumbers[store.state.row]} and watch the graph. A changed w holds at this epoch; “go on from here” trains on from it. `, undo),
      el(
        "div",
        { class: "scroll high", tabindex: 0, role: "region", "aria-label": "contributions of the columns" },
        el(
          "table",
          {},
          el("thead", {}, el("tr", {}, ...["column", ...(inUnits ? ["in the table"] : []), "x", "w", "log-odds x·w", "odds", "g so far"].map((head) => el("th", { scope: "col" }, head)))),
          el(
            "tbody",
            {},
            el("tr", {}, named("bias", "bias", "b"), inUnits && el("td"), el("td"), el("td", {}, field(n, "w", "bias b")), ...biasCells),
            ...order.map((j, k) => {
              const name = data.names[j];
              const own = inUnits && el("td", {}, field(j, "table", `${name} in the table`));
              return el("tr", {}, named(short[j], name, `w${subscript(j + 1)}`), own, el("td", {}, field(j, "x", `x of ${name}`)), el("td", {}, field(j, "w", `w of ${name}`)), ...cells[k]);
            }),
            others.length > 0 && el("tr", {}, el("th", { scope: "row" }, `${others.length} more, the weakest`), inUnits && el("td"), el("td"), el("td"), ...otherCells),
          ),
        ),
      ),
      said,
    );
    numbers();
  }
  store.watch((state, before) => {
    const keys = ["epoch", "batch", "row", "run"] as const;
    if (state === before || keys.some((key) => state[key] !== before[key])) show();
    else if (state.edited !== before.edited || state.stage !== before.stage) numbers();
  });
}
