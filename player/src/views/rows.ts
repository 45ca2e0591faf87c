// The rows: sortable, searchable, the worst predicted first; a click shows the row in the graph.

import { el, pretty, put, shortened } from "../dom";
import { POINT, reached, type Row, rowAt, type State, type Store } from "../store";

const PAGE = 12;
/** What orders the rows, and whether the first order is from the largest down. */
const KEYS = {
  row: [(_: Row, i: number) => i, false],
  class: [({ y }: Row) => y, false],
  g: [({ g }: Row) => g, true],
  loss: [({ loss }: Row) => loss, true],
  dL_dz: [({ dL_dz }: Row) => dL_dz, true],
} as const;
type Key = keyof typeof KEYS;

export function view(store: Store, place: Element): void {
  const { data } = store;
  const [zero, one] = data.classes;
  let first = 0;
  let order: number[] = [];
  let [by, isDown]: [Key, boolean] = ["loss", true];
  let wanted = "";
  const search = el("input", { type: "search", placeholder: data.heldOut ? "row, class, held out" : "row or class", "aria-label": "find rows" });
  const body = el("tbody");
  const count = el("output", { class: "note" });
  const heads = new Map<Key, HTMLTableCellElement>();
  /** A heading that orders the rows, and turns the order if it is pressed again. */
  const sorting = (key: Key, label: string, kind = ""): HTMLTableCellElement => {
    const press = (): void => {
      isDown = key === by ? !isDown : KEYS[key][1];
      [by, first] = [key, 0];
      sort();
      show();
    };
    const head = el("th", { scope: "col", class: kind }, el("button", { type: "button", click: press }, label));
    heads.set(key, head);
    return head;
  };
  const page = (step: number, label: string): HTMLButtonElement =>
    el("button", { type: "button", click: () => ((first = Math.max(0, Math.min(Math.max(0, order.length - 1), first + step))), show()) }, label);
  search.addEventListener("input", () => ((wanted = search.value.trim().toLowerCase()), (first = 0), sort(), show()));
  put(
    place,
    el("div", { class: "bar" }, search, page(-PAGE, "previous"), page(PAGE, "next"), count),
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "table of rows" }, el("table", {}, el("thead", {}, el("tr", {}, sorting("row", "row"), sorting("class", "class", "word"), sorting("g", `g: P(${shortened(one, 16)})`), sorting("loss", "loss"), sorting("dL_dz", "∂L/∂z"))), body)),
  );
  const isWanted = (i: number): boolean => String(data.rowNumbers[i]) === wanted;
  function sort(): void {
    const [at, { rows }] = [store.point, store.table];
    const names = [zero, one].map((name) => name.toLowerCase());
    // the start of a class's name finds it; the name itself finds no longer one
    const isFound = names.map((name) => (names.includes(wanted) ? name === wanted : name.startsWith(wanted)));
    const found = [...Array(rows.m).keys()].filter((i) => isWanted(i) || isFound[rows.y[i]] || (data.isHeldOut[i] && "held out".startsWith(wanted)));
    const key = KEYS[by][0];
    const keys = Float64Array.from({ length: rows.m }, (_, i) => (isWanted(i) ? -Infinity : (isDown ? -1 : 1) * key(rowAt(rows, i, at), i)));
    order = found.sort((i, j) => keys[i] - keys[j] || i - j);
  }
  function show(): void {
    const { state } = store;
    const at = store.point;
    const told = order.length ? `${first + 1} to ${Math.min(first + PAGE, order.length)} of ${order.length.toLocaleString("en")}` : "No row has that number or class.";
    if (count.textContent !== told) put(count, told);
    for (const [key, head] of heads) head.setAttribute("aria-sort", key !== by ? "none" : isDown ? "descending" : "ascending");
    const hadFocus = body.contains(document.activeElement);
    put(
      body,
      ...order.slice(first, first + PAGE).map((i) => {
        const row = rowAt(store.table.rows, i, at);
        const pick = el("button", { type: "button", "aria-label": `row ${data.rowNumbers[i]}`, "aria-pressed": i === state.row ? "true" : "false", click: () => store.change({ row: i }) }, String(data.rowNumbers[i]));
        return el(
          "tr",
          { class: i === state.row ? "picked" : "" },
          el("th", { scope: "row", class: "number" }, pick),
          el("td", { class: "word" }, `${shortened(row.y ? one : zero, 24)}${data.isHeldOut[i] ? ", held out" : ""}`),
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
