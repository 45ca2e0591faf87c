// The formula of the newest step, for the weight that is followed, with its numbers.

import { alike, pretty, put, signed, tex, type Child } from "../dom";
import { sigmoid } from "../math";
import { inTable, POINT, STAGES, type Stage, type Store } from "../store";
import { followed, outside, terms } from "./step";

/** A probability from its log-odds: close to 1, what it is less. */
export const probability = (z: number): string => (sigmoid(z) > 0.9 ? `1 − ${pretty(sigmoid(-z))}` : pretty(sigmoid(z)));

/** A step's formula, then the same with numbers, which are rounded: parts of a line. */
function formula(store: Store, stage: Stage): Child[] {
  const { i, n, o, row: r, over, sub, sup, part } = tex;
  const { row, run, here } = store;
  const k = followed(store);
  const { w, x, slope: total, ofRow, own, others, penalty, next } = terms(store, k);
  const isBias = k === row.x.length;
  const d = (a: string, b: string): Element => over(r(o("∂"), i(a)), r(o("∂"), i(b)));
  const rest = (): Element => r(n("1"), o("−"), i("g"));
  const of = (name: "w" | "x"): Element => (isBias ? (name === "x" ? n("1") : i("b")) : sub(i(name), n(String(k + 1))));
  const slope = (top: "L" | "z"): Element => over(r(o("∂"), i(top)), r(o("∂"), of("w")));
  const factor = (value: number): Element => n(signed(value));
  const about = (value: number | string): Child[] => [" ", part(o("≈"), n(value))];
  const seen = probability(row.y ? row.z : -row.z); // of the class that the row has
  const plus = (value: number, write: (x: number) => string, from: string): Child[] => [" + ", part(n(signed(value, write))), ` from ${from}`];
  const made: Record<Stage, () => Child[]> = {
    x: () => {
      if (isBias) return [part(i("x"), o("="), n("1")), ": b is a weight whose x is 1 in every row"];
      const [center, scale] = [run.center[k], run.scale[k]];
      if (center === 0 && scale === 1) return [part(of("x"), o("="), n(x)), ": the value in the table"];
      return [part(of("x"), o("="), over(r(n(inTable(run, k, x)), o("−"), factor(center)), n(scale))), ...about(x), ": (value − mean) / deviation"];
    },
    z: () => {
      const { b } = store.point;
      const { fitIntercept: hasBias } = run.how;
      const sum = row.x.reduce((others, each, j) => (j === k ? others : others + each * store.point.w[j]), 0);
      const write = alike(sum, x * w, b, row.z);
      return [
        part(i("z"), o("="), o("∑"), sub(i("x"), i("j")), sub(i("w"), i("j")), ...(hasBias ? [o("+"), i("b")] : [])), " ",
        part(o("≈"), ...(isBias ? [n(write(w))] : [n(x), o("·"), n(signed(w, (value) => pretty(value, 5)))])),
        ...(row.x.length > 1 || isBias ? plus(sum, write, isBias ? "the columns" : "the others") : []),
        ...(hasBias && !isBias ? plus(b, write, "b") : []),
        ...about(write(row.z)),
        store.point.w.every((each) => each === 0) && ": each weight is still 0",
      ];
    },
    g: () => [part(i("g"), o("="), over(n("1"), r(n("1"), o("+"), sup(i("e"), r(o("−"), i("z")))))), " ", part(o("≈"), over(n("1"), r(n("1"), o("+"), sup(i("e"), n(-row.z))))), ...about(probability(row.z))],
    L: () => [part(i("L"), o("="), o("−"), i("log"), row.y ? i("g") : r(o("("), rest(), o(")"))), " ", part(o("≈"), o("−"), i("log"), n(seen.includes("−") ? `(${seen})` : seen)), ...about(row.loss)],
    dL_dg: () => [part(d("L", "g"), o("="), ...(row.y ? [o("−"), over(n("1"), i("g"))] : [over(n("1"), rest())])), " ", part(o("≈"), ...(row.y ? [o("−")] : []), over(n("1"), n(seen))), ...about(row.dL_dg)],
    dg_dz: () => [
      part(d("g", "z"), o("="), i("g"), o("("), rest(), o(")")), " ", part(o("≈"), n(sigmoid(row.z)), o("·"), n(sigmoid(-row.z))), ...about(row.dg_dz), ", ",
      part(d("L", "z"), o("="), d("L", "g"), d("g", "z")), " ", part(o("≈"), factor(row.dL_dg), o("·"), n(row.dg_dz)), ...about(row.dL_dz), " ", part(o("="), i("g"), o("−"), i("y")),
    ],
    dz_dw: () => [part(slope("L"), o("="), d("L", "z"), slope("z"), o("="), d("L", "z"), of("x")), " ", part(o("≈"), factor(row.dL_dz), o("·"), factor(x)), ...about(ofRow)],
    mean: () => {
      const write = alike(own, others, penalty, total);
      const weighted = store.run.rows.s ? [n(store.weight), o("·"), factor(ofRow)] : [n(ofRow)];
      const ofThis = store.weight ? [part(over(r(...weighted), n(here.weight)), o("≈"), n(write(own))), " from this row"] : [part(n("0")), ` from this row (${outside(store)})`];
      return [...ofThis, ...plus(others, write, "the others"), ...(penalty ? plus(penalty, write, "the penalty") : []), ": ", part(slope("L"), o("≈"), n(write(total)))];
    },
    update: () => {
      const write = alike(w, next);
      return [part(of("w"), o("←"), n(write(w)), o("−"), n(run.how.rate), o("·"), factor(total)), ...about(write(next))];
    },
  };
  return made[stage]();
}

export function view(store: Store, place: Element): void {
  store.watch([...POINT, "row", "stage", "column"], ({ stage }) => put(place, ...formula(store, STAGES[stage])), place);
}
