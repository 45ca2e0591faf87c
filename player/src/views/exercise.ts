// Exercises on the run itself: predict a number of the row that is shown, and have it checked.

import { el, pretty, put } from "../dom";
import { random, sigmoid } from "../math";
import { POINT, type Store } from "../store";
import { probability } from "./formula";

interface Exercise {
  readonly ask: string;
  readonly answer: number;
  readonly how: string;
}

/** An exercise: its numbers have so many digits that the answer from them is within 1 %. */
function made(store: Store, seed: number): Exercise {
  const [row, { w, b }, { names, fitIntercept }] = [store.row, store.point, store.data];
  const draw = random(seed);
  const there = [...names.keys()].filter((j) => row.x[j] !== 0);
  const j = there.length ? there[draw() % there.length] : 0;
  const number = store.data.rowNumbers[store.state.row];
  const { rate } = store.run.how;
  const slope = store.here.dL_dw[j];
  const g = probability(row.z);
  const kinds: (Exercise | false)[] = [
    { ask: `z of row ${number} is ${pretty(row.z, 6)}. What is g?`, answer: row.g, how: `g = 1/(1 + e^${pretty(-row.z, 6)})` },
    { ask: `Row ${number} has g = ${g} and y = ${row.y}. What is its loss?`, answer: row.loss, how: `${row.y ? "-log g" : "-log(1 - g)"}; -log(1 - p) is nearly p if p is small` },
    { ask: `Row ${number} has g = ${g} and y = ${row.y}. What is ∂L/∂z?`, answer: row.dL_dz, how: "g - y" },
    { ask: `Row ${number} has ∂L/∂z = ${pretty(row.dL_dz)} and x = ${pretty(row.x[j])} in column ${names[j]}. What is ∂L/∂w of this column?`, answer: row.dL_dz * row.x[j], how: "∂L/∂z · x" },
    { ask: `For this step ∂L/∂w of ${names[j]} is ${pretty(slope)}, and the rate is ${pretty(rate)}. What does the step add to w?`, answer: -rate * slope, how: "-rate · ∂L/∂w" },
    { ask: `Column ${names[j]} adds ${pretty(row.x[j] * w[j], 6)} to z. By what does it multiply the odds?`, answer: Math.exp(row.x[j] * w[j]), how: "e to the power of what it adds" },
    fitIntercept && { ask: `If every x of row ${number} were 0, what would g be? (b = ${pretty(b, 6)})`, answer: sigmoid(b), how: "1/(1 + e^-b)" },
  ];
  const asked = kinds.filter((kind) => kind !== false);
  return asked[(seed - 1) % asked.length];
}

export function view(store: Store, place: Element): void {
  let seed = 1;
  let exercise = made(store, seed);
  const ask = el("p", { id: "ask" });
  const said = el("p", { role: "status" });
  const field = el("input", { type: "text", inputmode: "decimal", "aria-label": "your answer", "aria-describedby": "ask" });
  const form = el("form", { class: "bar", autocomplete: "off" }, field, el("button", { type: "submit" }, "check"), el("button", { type: "button", click: () => next() }, "another"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = Number(field.value.replace(",", ".").replace("−", "-"));
    if (field.value.trim() === "" || Number.isNaN(given)) return put(said, "Type a number, such as -0.25.");
    const { answer, how } = exercise;
    const isNear = (value: number): boolean => Math.abs(given - value) <= 0.01 * Math.abs(answer);
    put(said, isNear(answer) ? `Right: ${pretty(answer)}.` : `Not yet: it is ${how}. ${isNear(-answer) ? "Look at the sign." : "Try again."}`);
  });
  function next(): void {
    seed += 1;
    exercise = made(store, seed);
    field.value = "";
    put(ask, exercise.ask);
    put(said);
    field.focus();
  }
  put(place, ask, form, said);
  put(ask, exercise.ask);
  store.watch([...POINT, "row"], () => {
    exercise = made(store, seed);
    put(ask, exercise.ask);
    put(said);
  });
}
