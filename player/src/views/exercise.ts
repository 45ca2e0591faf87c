// Exercises on the run itself: predict a number of the row that is shown, and have it checked.

import { el, pretty, put } from "../dom";
import { random } from "../math";
import { POINT, type Store } from "../store";

interface Exercise {
  readonly ask: string;
  readonly answer: number;
  readonly how: string;
  /** How far an answer may be off besides 1 %, since the numbers shown are rounded. */
  readonly slack?: number;
}

function made(store: Store, seed: number): Exercise {
  const [row, { w, b }, { names }] = [store.row, store.point, store.data];
  const draw = random(seed);
  const there = [...names.keys()].filter((j) => row.x[j] !== 0);
  const j = there.length ? there[draw() % there.length] : 0;
  const number = store.data.rowNumbers[store.state.row];
  const rate = store.run.how.rate;
  const kinds: Exercise[] = [
    { ask: `z of row ${number} is ${pretty(row.z)}. What is g?`, answer: row.g, how: `g = 1/(1 + e^${pretty(-row.z)})` },
    { ask: `Row ${number} has g = ${pretty(row.g)} and y = ${row.y}. What is its loss?`, answer: row.loss, how: `-log ${row.y ? "g" : "(1 - g)"}` },
    { ask: `Row ${number} has g = ${pretty(row.g)} and y = ${row.y}. What is ∂L/∂z?`, answer: row.dL_dz, how: "g - y", slack: 1e-4 * row.y },
    { ask: `Row ${number} has ∂L/∂z = ${pretty(row.dL_dz)} and x = ${pretty(row.x[j])} in column ${names[j]}. What is ∂L/∂w of this column?`, answer: row.dL_dz * row.x[j], how: "∂L/∂z · x" },
    { ask: `The mean of ∂L/∂w of ${names[j]} over the ${store.batch ? "batch" : "rows"} is ${pretty(store.here.dL_dw[j])}, w is ${pretty(w[j])} and the rate ${pretty(rate)}. What is w after the step?`, answer: w[j] - rate * store.here.dL_dw[j], how: "w - rate · ∂L/∂w", slack: 1e-3 * Math.abs(w[j]) },
    { ask: `Column ${names[j]} adds ${pretty(row.x[j] * w[j])} to z. By what does it multiply the odds?`, answer: Math.exp(row.x[j] * w[j]), how: "e to the power of what it adds" },
    { ask: `If every x of row ${number} were 0, what would g be? (b = ${pretty(b)})`, answer: 1 / (1 + Math.exp(-b)), how: "1/(1 + e^-b)" },
  ];
  return kinds[(seed - 1) % kinds.length];
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
    const isRight = Math.abs(given - exercise.answer) <= 0.01 * Math.abs(exercise.answer) + (exercise.slack ?? 0);
    put(said, isRight ? `Right: ${pretty(exercise.answer)}.` : `Not yet: it is ${exercise.how}. ${Math.sign(given) !== Math.sign(exercise.answer) ? "Look at the sign." : "Try again."}`);
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
