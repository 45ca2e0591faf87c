// The page: reads its data, and puts each view in its place.

import { el, put } from "./dom";
import { type Data, type Given, read } from "./data";
import { start, STAGES, type Store } from "./store";
import * as check from "./views/check";
import * as derive from "./views/derive";
import * as exercise from "./views/exercise";
import * as exporting from "./views/export";
import * as fork from "./views/fork";
import * as graph from "./views/graph";
import * as limits from "./views/limits";
import * as own from "./views/own";
import * as plane from "./views/plane";
import * as row from "./views/row";
import * as rows from "./views/rows";
import * as step from "./views/step";
import * as time from "./views/time";

const SAYS: Record<(typeof STAGES)[number], string> = {
  x: "the row",
  z: "forward: log-odds z",
  g: "forward: probability g",
  L: "forward: loss L",
  dL_dg: "backward: ∂L/∂g",
  dg_dz: "backward: ∂g/∂z, and the product so far",
  dz_dw: "backward: ∂z/∂w, and ∂L/∂w of this row",
  mean: "the mean over the rows",
  update: "the update; the next step begins the next epoch",
};

function stepper(store: Store, place: Element): void {
  const said = el("output");
  const at = (k: number): void => store.change({ stage: Math.max(0, Math.min(STAGES.length - 1, k)) });
  const onward = (): void => {
    const { stage, epoch } = store.state;
    if (stage < STAGES.length - 1) at(stage + 1);
    else if (epoch < store.run.path.last) store.change({ epoch: epoch + 1, stage: 0 });
  };
  const button = (label: string, act: () => void): HTMLButtonElement => el("button", { type: "button", click: act }, label);
  put(place, button("start over", () => at(0)), button("step back", () => at(store.state.stage - 1)), button("step", onward), said);
  store.watch((state) => put(said, `${state.stage + 1} of ${STAGES.length}: ${SAYS[STAGES[state.stage]]}`));
}

/** Cards beside one another where there is room. */
const pair = (...cards: HTMLElement[]): HTMLElement => el("div", { class: "pair" }, ...cards);

const div = (name = "", label = ""): HTMLElement => el("div", label ? { class: name, tabindex: 0, role: "region", "aria-label": label } : { class: name });

/** Show a run: every view reads the store and sends changes to it. */
function show(data: Data, page: HTMLElement): Store {
  const store = start(data);
  const card = (title: string, says: string, make: (...places: HTMLElement[]) => void, ...places: HTMLElement[]): HTMLElement => {
    make(...places);
    return el("section", {}, el("h2", {}, title), says ? el("p", { class: "note" }, says) : null, ...places);
  };
  const [badge, floor, controls] = [el("p", { class: "badge" }), el("p"), div("bar")];
  const sampled = data.sampledFrom === null ? null : el("p", {}, `The table has ${data.sampledFrom.toLocaleString("en")} rows. This page holds a sample of ${data.rows.m.toLocaleString("en")}, each class with its share, and the run is on the sample alone.`);
  put(
    page,
    el("h1", {}, data.title),
    el("p", {}, "A run of gradient descent, epoch by epoch. ▶ trains; step goes through one epoch of one row, forward and backward. Every number is computed in this page, from the rows that it holds."),
    sampled,
    badge,
    floor,
    el("p", { id: "notes", class: "note" }),
    el("div", { class: "sticky" }, controls),
    card("One row, forward and backward", "", (bar, picture, formula, why) => (stepper(store, bar), graph.view(store, picture, formula), derive.view(store, why)), div("bar"), div(), div(), div()),
    el(
      "div",
      { class: "pair rows" },
      card("The row's numbers", "", (place) => row.view(store, place), div()),
      card("All rows", "Choose a row by its number. The worst predicted come first; a heading orders them otherwise.", (place) => rows.view(store, place), div()),
    ),
    card("From the rows to the step", "Each training row has its own ∂L/∂w. Their mean is the gradient, and one step goes against it.", (place) => step.view(store, place), div("scroll", "table of derivatives")),
    pair(
      card("How the loss falls", "", (place) => time.curves(store, place), div()),
      card("The learning rate", "Choose a rate and go on from this epoch; then press ▶. The old curves stay.", (place, why) => (fork.view(store, place), limits.view(why)), div(), div()),
      card("The decision map", "", (place) => plane.map(store, place), div()),
      card("The loss surface", "", (place) => plane.surface(store, place), div()),
      card("Checks", "", (place) => check.view(store, place), div()),
      card("Exercises", "Work out the number, type it, and have it checked to 1 %.", (place) => exercise.view(store, place), div()),
      card("Take it with you", "", (place) => exporting.view(store, place), div("bar")),
      card("Your own data", "", (place) => own.view(place, (given) => show(given, page)), div()),
    ),
  );
  check.badge(store, badge);
  check.floor(store, floor);
  time.controls(store, controls);
  store.change(exporting.restored(store, location.hash));
  return store;
}

const held = document.getElementById("chainrule-data");
const page = document.getElementById("player");
if (held?.textContent && page) show(read(JSON.parse(held.textContent) as Given), page);
