// The rows: sortable, searchable, the worst predicted first; a click shows the row in the graph.

import { el, pretty, put } from "../dom";
import { POINT, reached, rowAt, type State, type Store } from "../store";

const PAGE = 12;
type Key = "row" | "g" | "loss";

export function view(store: Store, place: Element): void {
  const { data } = store;
  const [zero, one] = data.classes;
  let first = 0;
  let order: number[] = [];
  let by = "loss" as Key;
  let wanted = "";
  const search = el("input", { type: "search", placeholder: "row number or class", "aria-label": "find rows" });
  const body = el("tbody");
  const count = el("output", { class: "note" });
  const heads = new Map<Key, HTMLTableCellElement>();
  const sorting = (key: Key, label: string): HTMLTableCellElement => {
    const head = el("th", { scope: "col" }, el("button", { type: "button", click: () => ((by = key), (first = 0), sort(), show()) }, label));
    heads.set(key, head);
    return head;
  };
  const page = (step: number, label: string): HTMLButtonElement =>
    el("button", { type: "button", click: () => ((first = Math.max(0, Math.min(Math.max(0, order.length - 1), first + step))), show()) }, label);
  search.addEventListener("input", () => ((wanted = search.value.trim().toLowerCase()), (first = 0), sort(), show()));
  put(
    place,
    el("div", { class: "bar" }, search, page(-PAGE, "previous"), page(PAGE, "next"), count),
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "table of rows" }, el("table", {}, el("thead", {}, el("tr", {}, sorting("row", "row"), el("th", { scope: "col", class: "word" }, "class"), sorting("g", `g: P(${one})`), sorting("loss", "loss"), el("th", { scope: "col" }, "∂L/∂z"))), body)),
  );
  const isWanted = (i: number): boolean => String(data.rowNumbers[i]) === wanted;
  function sort(): void {
    const at = store.point;
    const found = [...Array(data.rows.m).keys()].filter((i) => {
      const name = data.rows.y[i] ? one : zero;
      return !wanted || isWanted(i) || name.toLowerCase().includes(wanted);
    });
    const key = by === "row" ? (i: number) => i : by === "g" ? (i: number) => -rowAt(store.run.rows, i, at).g : (i: number) => -rowAt(store.run.rows, i, at).loss;
    const keys = Float64Array.from({ length: data.rows.m }, (_, i) => (isWanted(i) ? -Infinity : key(i)));
    order = found.sort((i, j) => keys[i] - keys[j] || i - j);
  }
  function show(): void {
    const { state } = store;
    const at = store.point;
    const told = order.length ? `${first + 1} to ${Math.min(first + PAGE, order.length)} of ${order.length.toLocaleString("en")}` : "No row has that number or class.";
    if (count.textContent !== told) put(count, told);
    for (const [key, head] of heads) head.setAttribute("aria-sort", key !== by ? "none" : key === "row" ? "ascending" : "descending");
    const hadFocus = body.contains(document.activeElement);
    put(
      body,
      ...order.slice(first, first + PAGE).map((i) => {
        const row = rowAt(store.run.rows, i, at);
        const pick = el("button", { type: "button", "aria-label": `row ${data.rowNumbers[i]}`, "aria-pressed": i === state.row ? "true" : "false", click: () => store.change({ row: i }) }, String(data.rowNumbers[i]));
        return el(
          "tr",
          { class: i === state.row ? "picked" : "" },
          el("th", { scope: "row", class: "number" }, pick),
          el("td", { class: "word" }, `${row.y ? one : zero}${data.isHeldOut[i] ? ", held out" : ""}`),
          el("td", {}, pretty(row.g)),
          el("td", {}, pretty(row.loss)),
          el("td", { class: reached(state, "dg_dz") ? "back" : "muted" }, reached(state, "dg_dz") ? pretty(row.dL_dz) : "not yet computed"),
        );
      }),
    );
    if (hadFocus) (body.querySelector<HTMLElement>("[aria-pressed=true]") ?? body.querySelector<HTMLElement>("button"))?.focus();
  }
  const look = (state: State, before: State): void => {
    if (state === before || POINT.some((key) => state[key] !== before[key])) sort();
    show();
  };
  store.watch([...POINT, "row", "stage"], look, place);
}
