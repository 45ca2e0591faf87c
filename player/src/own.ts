// A table of the reader's own: parsed in the page, which sends nothing anywhere.

import Papa from "papaparse";
import { type Data, split } from "./data";
import { curvatures, largestEigenvalue, type Rows, shuffled } from "./math";
import { moments, rescaled } from "./views/fork";

const MOST_ROWS = 2000;
const MOST_LEVELS = 20;
const EPOCHS = 2000;

/** What can't be used, in a sentence for the reader. */
export class Unusable extends Error {}

export interface Table {
  readonly names: readonly string[];
  readonly cells: readonly (readonly string[])[];
}

export function parse(text: string): Table {
  const { data, errors } = Papa.parse<string[]>(text, { skipEmptyLines: true });
  const wrong = errors.find((error) => error.code !== "UndetectableDelimiter");
  if (wrong) throw new Unusable(`Row ${(wrong.row ?? 0) + 1} can't be read: ${wrong.message}.`);
  const [head, ...cells] = data;
  if (!head || !cells.length) throw new Unusable("The file needs a line of column names and at least one row.");
  const ragged = cells.findIndex((row) => row.length !== head.length);
  if (ragged >= 0) throw new Unusable(`Row ${ragged + 1} has ${cells[ragged].length} cells and the header ${head.length}.`);
  return { names: head.map((name, j) => name.trim() || `column ${j + 1}`), cells };
}

/** The text of a file: UTF-8, or else as Windows writes it. */
export function decoded(bytes: ArrayBuffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

/** A number as a table writes it, also with a decimal comma where one cell can't be read otherwise. */
function numbersOf(cells: readonly string[]): number[] {
  const found = cells.map(Number);
  return found.every(Number.isFinite) ? found : cells.map((cell) => (/^[-+]?\d*,\d+$|^[-+]?\d+$/.test(cell) ? Number(cell.replace(",", ".")) : NaN));
}

const isMissing = (cell: string): boolean => ["", "na", "n/a", "nan", "null"].includes(cell.trim().toLowerCase());

const counted = (k: number, what: string): string => `${k} ${what}${k === 1 ? "" : "s"}`;
const count = (cells: readonly string[], level: string): number => cells.filter((cell) => cell === level).length;

/** Columns with two values, which can be a target. */
export function targets(table: Table): number[] {
  return [...table.names.keys()].filter((j) => new Set(table.cells.map((row) => row[j].trim()).filter((cell) => !isMissing(cell))).size === 2);
}

/** Choose rows at random, of each class its share, in the order of the table. */
function sampled(known: readonly number[], classes: readonly (readonly number[])[]): number[] {
  const chosen = classes.flatMap((rows) => {
    const size = Math.max(1, Math.floor((rows.length * MOST_ROWS) / known.length));
    return [...shuffled(rows.length, 1).subarray(0, size)].map((k) => rows[k]);
  });
  return chosen.sort((a, b) => a - b);
}

/** Make the page's data: numbers standardised, text with few values as 0 and 1, the rest left out; says what was done. */
export function encode(table: Table, target: number): { data: Data; notes: string[] } {
  const notes: string[] = [];
  const known = [...table.cells.keys()].filter((i) => !isMissing(table.cells[i][target]));
  if (known.length < table.cells.length) notes.push(`${counted(table.cells.length - known.length, "row")} without ${table.names[target]} ${table.cells.length - known.length === 1 ? "is" : "are"} left out.`);
  const classes = [...new Set(known.map((i) => table.cells[i][target].trim()))].sort();
  if (classes.length !== 2) throw new Unusable(`Column ${table.names[target]} needs two values: it has ${classes.length}.`);
  const places = known.length > MOST_ROWS ? sampled(known, classes.map((name) => known.filter((i) => table.cells[i][target].trim() === name))) : known;
  const [names, columns]: [string[], number[][]] = [[], []];
  table.names.forEach((name, j) => {
    if (j === target) return;
    const cells = places.map((i) => table.cells[i][j].trim());
    const there = cells.filter((cell) => !isMissing(cell));
    const numbers = numbersOf(there);
    if (there.length && numbers.every(Number.isFinite)) {
      const mean = numbers.reduce((a, b) => a + b, 0) / numbers.length;
      if (numbers.every((x) => x === numbers[0])) return void notes.push(`Column ${name} is constant and left out.`);
      if (there.length < cells.length) notes.push(`Column ${name}: missing in ${counted(cells.length - there.length, "row")}, filled with the mean.`);
      names.push(name);
      let next = 0;
      columns.push(cells.map((cell) => (isMissing(cell) ? mean : numbers[next++])));
      return;
    }
    const levels = [...new Set(there)].sort();
    if (levels.length < 2 || levels.length > MOST_LEVELS) return void notes.push(`Column ${name} has ${counted(levels.length, "different text")} and is left out.`);
    const usual = levels.reduce((a, b) => (count(there, b) > count(there, a) ? b : a));
    if (there.length < cells.length) notes.push(`Column ${name}: missing in ${counted(cells.length - there.length, "row")}, filled with ${usual}, the most frequent.`);
    for (const level of levels.slice(1)) {
      names.push(`${name}=${level}`);
      columns.push(cells.map((cell) => ((isMissing(cell) ? usual : cell) === level ? 1 : 0)));
    }
  });
  if (!names.length) throw new Unusable("No column is left to train on.");
  if (names.length > 100) throw new Unusable(`The columns make ${names.length} coefficients; the page shows 100 at most: leave some columns out.`);
  const [m, n] = [places.length, names.length];
  const raw: Rows = { m, n, x: Float64Array.from({ length: m * n }, (_, k) => columns[k % n][Math.floor(k / n)]), y: Uint8Array.from(places, (i) => (table.cells[i][target].trim() === classes[1] ? 1 : 0)), s: null };
  const [center, scale] = moments(raw);
  const rows = rescaled(raw, center, scale);
  const rate = 1 / largestEigenvalue(rows, curvatures(rows));
  const data: Data = {
    ...split(rows, new Uint8Array(m)),
    title: `${table.names[target]}: ${classes[1]} or ${classes[0]}?`,
    target: table.names[target],
    classes: [classes[0], classes[1]],
    names,
    rowNumbers: Uint32Array.from(places, (i) => i + 1),
    center,
    scale,
    alpha: 0,
    fitIntercept: true,
    rate,
    points: [[0, { w: new Float64Array(n), b: 0 }]],
    losses: null,
    last: EPOCHS,
    optimum: null,
    sampledFrom: known.length > MOST_ROWS ? known.length : null,
  };
  return { data, notes };
}
