// The page: reads its data, and puts each view in its place.

import { el, pretty, put } from "./dom";
import { type Data, type Given, read } from "./data";
import { restore } from "./link";
import { POINT, start, STAGES, type Stage, type Store } from "./store";
import * as check from "./views/check";
import * as derive from "./views/derive";
import * as exercise from "./views/exercise";
import * as exporting from "./views/export";
import * as fork from "./views/fork";
import * as formulas from "./views/formula";
import * as graph from "./views/graph";
import * as limits from "./views/limits";
import * as own from "./views/own";
import * as plane from "./views/plane";
import * as row from "./views/row";
import * as rows from "./views/rows";
import * as step from "./views/step";
import * as time from "./views/time";

const SAYS: Record<Stage, (store: Store) => string> = {
  x: () => "the row",
  z: ({ row }) => `forward: log-odds z = ${pretty(row.z)}`,
  g: ({ row }) => `forward: probability g = ${pretty(row.g)}`,
  L: ({ row }) => `forward: loss L = ${pretty(row.loss)}`,
  dL_dg: ({ row }) => `backward: ∂L/∂g = ${pretty(row.dL_dg)}`,
  dg_dz: ({ row }) => `backward: ∂g/∂z = ${pretty(row.dg_dz)}, and the product so far`,
  dz_dw: () => "backward: ∂z/∂w, and ∂L/∂w of this row",
  mean: ({ batch }) => (batch ? "the mean over the batch" : "the mean over the rows"),
  update: ({ state, batches }) => {
    const next = `the next step begins the next ${state.batch + 1 < batches.length ? "batch" : "epoch"}`;
    return state.edited.at ? `the update of your weights; ${next} of the run, without them: “go on from here” keeps them` : `the update; ${next}`;
  },
};

/** Scroll only as far as it takes to see some elements between the bar at the top and the one at the bottom. */
function reveal(elements: readonly Element[], above: Element, below: Element): void {
  const boxes = elements.map((element) => element.getBoundingClientRect());
  const [top, bottom] = [Math.min(...boxes.map((box) => box.top)) - 36, Math.max(...boxes.map((box) => box.bottom)) + 24];
  const [first, last] = [above.clientHeight, innerHeight - below.clientHeight];
  if (top < first || bottom - top > last - first) scrollBy(0, top - first);
  else if (bottom > last) scrollBy(0, bottom - last);
}

/** The steps of a row: buttons and words. `places`: the graph, and the table of the mean and the update. */
function stepper(store: Store, place: Element, places: readonly [Element, Element], bars: readonly [Element, Element]): Keys {
  const said = el("output");
  const look = (): void => {
    const [graph, table] = places;
    const stage = STAGES[store.state.stage];
    const node = graph.querySelector(".node.lit");
    const news = node ? [node] : [...graph.querySelectorAll(`.lit, [data-stage="${stage}"]`)];
    const isTable = stage === "mean" || stage === "update";
    if (isTable) {
      const cells = [...table.querySelector("tr")!.cells];
      const [name, part, newest] = [cells[0], cells[2], cells.at(stage === "mean" ? -2 : -1)!];
      table.scrollLeft = Math.max(part.offsetLeft - name.offsetWidth, newest.offsetLeft + newest.offsetWidth - table.clientWidth);
    }
    reveal(isTable ? [table] : news, ...bars);
  };
  const at = (k: number): void => (store.change({ stage: Math.max(0, Math.min(STAGES.length - 1, k)) }), look());
  const onward = (): void => {
    const { stage, epoch, batch } = store.state;
    if (stage < STAGES.length - 1) return at(stage + 1);
    if (batch + 1 < store.batches.length) store.change({ batch: batch + 1, stage: 0 });
    else if (epoch < store.run.path.last) store.change({ epoch: epoch + 1, stage: 0 });
    look();
  };
  const button = (label: string, act: () => void): HTMLButtonElement => el("button", { type: "button", click: act }, label);
  const [back, on] = [button("step back", () => at(store.state.stage - 1)), button("step", onward)];
  put(place, button("start over", () => at(0)), back, on, said);
  store.watch([...POINT, "row", "stage"], (state) => put(said, `${state.stage + 1} of ${STAGES.length}: ${SAYS[STAGES[state.stage]](store)}`));
  return { ArrowRight: on, ArrowLeft: back };
}

/** Buttons by the key that presses them, with Shift, from anywhere but a field. */
type Keys = Readonly<Record<string, HTMLButtonElement>>;

function listen(keys: Keys): void {
  document.onkeydown = (event) => {
    const button = event.shiftKey && !event.altKey && !event.ctrlKey && !event.metaKey && keys[event.key];
    if (!button || (event.target as Element).matches("input, select")) return;
    event.preventDefault();
    button.click();
  };
}

/** Cards beside one another where there is room. */
const pair = (...cards: HTMLElement[]): HTMLElement => el("div", { class: "pair" }, ...cards);

const div = (name = "", label = ""): HTMLElement => el("div", label ? { class: name, tabindex: 0, role: "region", "aria-label": label } : { class: name });

/** Show a run in the state of a link: every view reads the store and sends changes to it. */
function show(data: Data, page: HTMLElement, hash = ""): void {
  const store = start(data);
  restore(store, hash);
  const links = el("nav", { "aria-label": "parts of the page" });
  const card = (title: string, says: string, make: (...places: HTMLElement[]) => void, ...places: HTMLElement[]): HTMLElement => {
    make(...places);
    const id = title.toLowerCase().replaceAll(/[^a-z]+/g, "-");
    const heading = el("h2", { tabindex: -1 }, title);
    // a page within a page can't follow a link to a part of itself
    links.append(el("a", { href: `#${id}`, click: (event) => (event.preventDefault(), heading.scrollIntoView(), heading.focus({ preventScroll: true })) }, title), " ");
    return el("section", { id }, heading, says ? el("p", { class: "note" }, says) : null, ...places);
  };
  const [badge, floor, controls] = [el("p", { class: "badge" }), el("p", { role: "status" }), div("bar")];
  const [picture, table, bar, formula, reason] = [div(), div("scroll", "table of derivatives"), div("bar"), div("formula", "formula of the step"), div()];
  const why = derive.view(store, reason);
  const clock = el("div", { class: "sticky" }, controls);
  const steps = el("div", { class: "steps", role: "group", "aria-label": "steps of the row" }, bar, formula, reason);
  const keys = { ...time.controls(store, controls), ...stepper(store, bar, [picture, table], [clock, steps]) }; // the clock is the first view to be shown
  formulas.view(store, formula);
  const sampled = data.sampledFrom === null ? null : el("p", {}, `The table has ${data.sampledFrom.toLocaleString("en")} rows. This page holds a sample of ${data.rows.m.toLocaleString("en")}, each class with its share, and the run is on the sample alone.`);
  put(
    page,
    el("h1", { tabindex: -1 }, data.title),
    el("p", { class: "intro" }, "A run of gradient descent: ▶ plays its epochs. “step” takes one row forward to its loss and backward to its gradients, then all rows to the update. Every number is computed in this page, from the rows that it holds. ", el("span", { class: "keys" }, "Keys, with Shift: → and ← step on and back, ↓ and ↑ go one epoch on and back, Enter plays.")),
    sampled,
    badge,
    floor,
    el("p", { id: "notes", class: "note" }),
    links,
    clock,
    el(
      "div",
      {},
      card("One row, forward and backward", "", (picture) => graph.view(store, picture, why), picture),
      card("From the rows to the step", `Each training row has its own ∂L/∂w. Their ${data.rows.s ? "weighted " : ""}mean is the gradient, and one step goes against it.`, (place) => step.view(store, place), table),
      steps,
    ),
    el(
      "div",
      { class: "pair rows" },
      card("The row's numbers", "", (place) => row.view(store, place), div()),
      card("All rows", "Choose a row by its number. The worst predicted come first. A heading orders them otherwise; pressed again, it turns the order.", (place) => rows.view(store, place), div()),
    ),
    pair(
      card("How the loss falls", "A click on the curves goes to that epoch.", (place) => time.curves(store, place), div()),
      card("The learning rate", "Choose a rate and go on from this epoch; then press ▶. The old curves stay.", (place, why) => (fork.view(store, place), limits.view(why)), div(), div()),
      card("The decision map", "", (place) => plane.map(store, place), div()),
      card("The loss surface", "", (place) => plane.surface(store, place), div()),
      card("Checks", "", (place) => check.view(store, place), div()),
      card("Exercises", "Work out the number, type it, and have it checked to 1 %.", (place) => exercise.view(store, place), div()),
      card("Take it with you", "", (place) => exporting.view(store, place), div("bar")),
      card("Your own data", "", (place) => own.view(place, (given) => (show(given, page), page.querySelector("h1")!.focus())), div()),
    ),
  );
  check.badge(store, badge);
  check.floor(store, floor);
  listen(keys);
  onbeforeprint = () => store.showAll();
}

const held = document.getElementById("chainrule-data");
const page = document.getElementById("player");
if (held?.textContent && page) {
  const given = read(JSON.parse(held.textContent) as Given);
  show(given, page, location.hash);
  addEventListener("hashchange", () => location.hash.includes("=") && show(given, page, location.hash)); // else a link to a part
}
