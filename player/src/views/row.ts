// One row: what each column adds in log-odds, odds and probability; and its values and the weights, to be edited.

import { allShortened, el, pretty, put } from "../dom";
import { sigmoid } from "../math";
import { NOT_EDITED, type Store } from "../store";

const SHOWN = 100;

export function view(store: Store, place: Element): void {
  const { data } = store;
  let wanted = false; // while a number is typed, its field must stay
  function changed(j: number, what: "x" | "w", value: number): void {
    if (!Number.isFinite(value)) return;
    const { edited } = store.state;
    wanted = true;
    if (what === "x") {
      const x = Float64Array.from(store.row.x);
      x[j] = value;
      store.change({ edited: { ...edited, x } });
    } else {
      const { w, b } = store.point;
      const next = Float64Array.from(w);
      if (j < next.length) next[j] = value;
      store.change({ edited: { ...edited, at: { w: next, b: j < next.length ? b : value } } });
    }
    wanted = false;
    numbers();
  }
  const field = (j: number, what: "x" | "w", value: number, label: string): HTMLInputElement => {
    const input = el("input", { type: "number", step: "any", value: Number(value.toPrecision(5)), "aria-label": label });
    input.addEventListener("input", () => input.value !== "" && changed(j, what, Number(input.value)));
    return input;
  };
  const undo = el("button", { type: "button", click: () => (store.change({ edited: NOT_EDITED }), show()) }, "undo all changes");
  const short = allShortened(data.names, 26);
  const inUnits = data.scale.some((scale, j) => scale !== 1 || data.center[j] !== 0);
  /** A value of the row as the table has it. */
  const given = (j: number): number => {
    const x = store.run.rows === data.rows ? store.row.x[j] : data.rows.x[store.state.row * data.rows.n + j];
    return Number((x * data.scale[j] + data.center[j]).toPrecision(9));
  };
  let numbers = (): void => {};
  function show(): void {
    const row = store.row;
    const order = [...data.names.keys()].sort((i, j) => Math.abs(row.x[j] * store.point.w[j]) - Math.abs(row.x[i] * store.point.w[i])).slice(0, SHOWN);
    const cells = order.map(() => [el("td"), el("td"), el("td")]);
    const [biasCells, said] = [[el("td"), el("td"), el("td")], el("p", { role: "status" })];
    numbers = (): void => {
      const [now, at] = [store.row, store.point];
      undo.hidden = !store.state.edited.x && !store.state.edited.at;
      let z = at.b;
      put(biasCells[0], pretty(at.b));
      put(biasCells[1], `× ${pretty(Math.exp(at.b))}`);
      put(biasCells[2], pretty(sigmoid(z)));
      order.forEach((j, k) => {
        const add = now.x[j] * at.w[j];
        z += add;
        put(cells[k][0], pretty(add));
        put(cells[k][1], `× ${pretty(Math.exp(add), 3)}`);
        put(cells[k][2], pretty(sigmoid(z)));
      });
      const here = store.here;
      const share = (store.run.rows.s ? store.run.rows.s[store.state.row] : 1) / here.weight;
      const length = Math.hypot(now.dL_dz, ...Array.from(now.x, (x) => x * now.dL_dz));
      const isHeld = data.isHeldOut[store.state.row];
      put(
        said,
        `z = ${pretty(now.z)}, g = ${pretty(now.g)}, loss ${pretty(now.loss)}. Its gradient has the length ${pretty(length)}`,
        isHeld ? "; it is held out and adds nothing to the mean." : `, of which ${pretty(share * length)} is in the mean over ${data.training.m.toLocaleString("en")} rows.`,
      );
    };
    put(
      place,
      el(
        "p",
        {},
        `Row ${data.rowNumbers[store.state.row]}: ${data.target} is ${data.classes[row.y]}${data.isHeldOut[store.state.row] ? ", held out" : ""}. Change a number of x or w and watch the graph. `,
        undo,
      ),
      el(
        "div",
        { class: "scroll high", tabindex: 0, role: "region", "aria-label": "contributions of the columns" },
        el(
          "table",
          {},
          el("thead", {}, el("tr", {}, ...["column", ...(inUnits ? ["in the table"] : []), "x", "w", "log-odds x w", "odds", "g so far"].map((head) => el("th", { scope: "col" }, head)))),
          el(
            "tbody",
            {},
            el("tr", {}, el("th", { scope: "row" }, "bias"), inUnits && el("td"), el("td"), el("td", {}, field(data.names.length, "w", store.point.b, "bias b")), ...biasCells),
            ...order.map((j, k) => {
              const name = data.names[j];
              return el("tr", {}, el("th", { scope: "row", title: name }, short[j]), inUnits && el("td", {}, pretty(given(j))), el("td", {}, field(j, "x", row.x[j], `x of ${name}`)), el("td", {}, field(j, "w", store.point.w[j], `w of ${name}`)), ...cells[k]);
            }),
          ),
        ),
      ),
      data.names.length > SHOWN && el("p", { class: "note" }, `${data.names.length - SHOWN} more columns with smaller contributions.`),
      said,
    );
    numbers();
  }
  store.watch((state, before) => {
    const keys = ["epoch", "row", "run", "edited"] as const;
    if (state !== before && keys.every((key) => state[key] === before[key])) return;
    if (wanted) return;
    show();
  });
}
