// Where the reader drops a table, and chooses its target.

import type { Data } from "../data";
import { el, put } from "../dom";
import { counted, decoded, encode, parse, type Table, targets, Unusable } from "../own";

const MOST_BYTES = 20_000_000;

export function view(place: Element, show: (data: Data) => void): void {
  const file = el("input", { type: "file", accept: ".csv,.tsv,.txt", "aria-label": "a CSV file of your own" });
  const [said, choice] = [el("p", { role: "status" }), el("div", { class: "bar" })];
  const guarded = (act: () => void): void => {
    try {
      act();
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      put(said, error.message);
    }
  };
  async function take(given: File): Promise<void> {
    put(choice);
    if (given.size > MOST_BYTES) return put(said, `${given.name} has more than 20 MB: take fewer rows.`);
    const text = decoded(await given.arrayBuffer());
    guarded(() => ask(parse(text)));
  }
  function ask(table: Table): void {
    const possible = targets(table);
    if (!possible.length) throw new Unusable("No column has exactly two values, which a target needs.");
    const select = el("select", { "aria-label": "target" }, ...possible.map((j, k) => el("option", { value: j, selected: k === possible.length - 1 }, table.names[j])));
    const train = el("button", { type: "button", class: "main" }, "train on it");
    train.addEventListener("click", () =>
      guarded(() => {
        const { data, notes } = encode(table, Number(select.value));
        show(data);
        put(document.querySelector("#notes") ?? said, [...notes, "Reload the page to have its own run again."].join(" "));
      }),
    );
    put(said, `${counted(table.cells.length, "row")}, ${counted(table.names.length, "column")}. Which column is to be predicted?`);
    put(choice, select, train);
  }
  file.addEventListener("change", () => file.files?.[0] && void take(file.files[0]));
  const zone = el("div", { class: "drop" }, el("p", {}, "Drop a CSV file here, or choose one. It is read in this page and goes nowhere."), file, said, choice);
  zone.addEventListener("dragover", (event) => event.preventDefault());
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    const dropped = (event as DragEvent).dataTransfer?.files[0];
    if (dropped) void take(dropped);
  });
  put(place, zone);
}
