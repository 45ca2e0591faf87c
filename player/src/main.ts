// The page: reads its data, and puts each view in its place.

import { el, pretty, put } from "./dom";
import { type Given, read } from "./data";
import { start, STAGES, type Store } from "./store";
import * as check from "./views/check";
import * as fork from "./views/fork";
import * as graph from "./views/graph";
import * as rows from "./views/rows";
import * as step from "./views/step";
import * as time from "./views/time";

const SAYS: Record<(typeof STAGES)[number], string> = {
  x: "the row",
  z: "forward: log-odds z",
  g: "forward: probability g",
  L: "forward: loss L",
  dL_dg: "backward: ∂L/∂g",
  dg_dz: "backward: ∂g/∂z, and their product",
  dz_dw: "backward: ∂z/∂w, and ∂L/∂w of the row",
  mean: "the mean over the rows",
  update: "the update",
};

function stepper(store: Store, place: Element): void {
  const said = el("output");
  const at = (k: number): void => store.change({ stage: Math.max(0, Math.min(STAGES.length - 1, k)) });
  const button = (label: string, act: () => void): HTMLButtonElement => el("button", { type: "button", click: act }, label);
  put(place, button("start over", () => at(0)), button("step back", () => at(store.state.stage - 1)), button("step", () => at(store.state.stage + 1)), said);
  store.watch((state) => put(said, `${state.stage + 1} of ${STAGES.length}: ${SAYS[STAGES[state.stage]]}`));
}

function card(title: string, ...children: (Node | string)[]): HTMLElement {
  return el("section", {}, el("h2", {}, title), ...children);
}

export function show(given: Given, place: HTMLElement): Store {
  const data = read(given);
  const store = start(data);
  const [badge, controls, curve, forks, steps, picture, formula, means, table] = ["p", "div", "div", "div", "div", "div", "div", "div", "div"].map((name) => el(name as "div"));
  const losses = new Float64Array(Uint8Array.from(atob(given.trace.loss), (c) => c.charCodeAt(0)).buffer);
  const floor = given.optimum;
  put(
    place,
    el("h1", {}, given.title),
    badge,
    el("p", {}, floor ? `The certified optimum is the floor of the loss: F* = ${pretty(floor.objective, 6)}, proven to within ${pretty(floor.gap, 2)}.` : "No optimum is certified for this run."),
    el("div", { class: "sticky" }, controls),
    card("How the loss falls", curve),
    card("The learning rate", forks),
    card("One row, forward and backward", steps, el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "computation graph" }, picture), formula),
    card("From the rows to the step", el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "table of derivatives" }, means)),
    card("The rows", table),
  );
  badge.className = "badge";
  controls.className = "bar";
  steps.className = "bar";
  check.badge(store, losses, badge);
  time.controls(store, controls);
  time.curves(store, curve);
  fork.view(store, forks);
  stepper(store, steps);
  graph.view(store, picture, formula);
  step.view(store, means);
  rows.view(store, table);
  return store;
}

const held = document.getElementById("chainrule-data");
const place = document.getElementById("player");
if (held?.textContent && place) show(JSON.parse(held.textContent) as Given, place);
