// A table of the reader's own: parsed in the page, which sends nothing anywhere.

import Papa from "papaparse";
import { type Data, split } from "./data";
import { curvatures, finished, largestEigenvalue, type Rows, shuffled } from "./math";
import { moments, rescaled } from "./views/fork";

const [MOST_ROWS, MOST_COLUMNS] = [2000, 200];
const MOST_LEVELS = 20;
const EPOCHS = 2000;

/** What can't be used, in a sentence for the reader. */
export class Unusable extends Error {}

export interface Table {
  readonly names: readonly string[];
  readonly cells: readonly (readonly string[])[];
  readonly decimal: Mark;
}

export function parse(text: string): Table {
  const lines = text.replace(/\r\n?/g, "\n");
  const stated = /^"?sep=(.)"?\n/.exec(lines); // Excel's first line
  const { data, errors, meta } = Papa.parse<string[]>(lines.slice(stated?.[0].length ?? 0), { delimiter: stated?.[1] });
  const isFull = (row: readonly string[]): boolean => row.length > 1 || row[0] !== "";
  const wrong = errors.find((error) => error.code !== "UndetectableDelimiter");
  if (wrong) {
    const number = data.slice(0, wrong.row).filter(isFull).length; // the rows before it, of which one is the header
    throw new Unusable(`${number ? `Row ${number}` : "The header"} can't be read: ${wrong.message}.`);
  }
  const [head, ...cells] = data.filter(isFull);
  if (!head || !cells.length) throw new Unusable("The file needs a line of column names and at least one row.");
  const ragged = cells.findIndex((row) => row.length !== head.length);
  if (ragged >= 0) throw new Unusable(`Row ${ragged + 1} has ${cells[ragged].length} cells and the header ${head.length}.`);
  return { names: head.map((name, j) => name.trim() || `column ${j + 1}`), cells, decimal: decimalOf(cells, meta.delimiter) };
}

/** The text of a file: UTF-16 if it begins with its mark, UTF-8, or else as Windows writes it. */
export function decoded(bytes: ArrayBuffer): string {
  const [first, second] = new Uint8Array(bytes);
  if (first + second === 0xff + 0xfe) return new TextDecoder(first === 0xff ? "utf-16le" : "utf-16be").decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

// 1e5 and -2.5, but not 007, which is a code; and numbers with another mark between thousands than the decimal one: 1.234,5 and 1,234.5.
const PLAIN = /^[-+]?((0|[1-9]\d*)(\.\d*)?|\.\d+)(e[-+]?\d+)?$/i;
const MARKED = { ",": /^[-+]?(\d{1,3}([. \u00a0\u202f'’]\d{3})+|\d*)(,\d*)?$/, ".": /^[-+]?(\d{1,3}([, \u00a0\u202f'’]\d{3})+|\d*)(\.\d*)?$/ } as const;
type Mark = keyof typeof MARKED;

/** The decimal mark of a table: that of most cells which can be read in one way; else a comma where commas don't part the cells. */
function decimalOf(cells: readonly (readonly string[])[], separator: string): Mark {
  const written = cells.flatMap((row) => row.filter((cell) => cell.includes(",")).map((cell) => cell.trim()));
  const [commas, points] = [written.filter((cell) => MARKED[","].test(cell)), written.filter((cell) => MARKED["."].test(cell))];
  if (commas.length !== points.length) return commas.length > points.length ? "," : ".";
  return commas.length && separator !== "," ? "," : ".";
}

/** The numbers that cells write; null if one is no number. Plain numbers may stand in a table with decimal commas. */
function numbersOf(cells: readonly string[], decimal: Mark): number[] | null {
  const isMarked = (cell: string): boolean => /\d/.test(cell) && !/^[-+]?0\d/.test(cell) && MARKED[decimal].test(cell);
  if (cells.every(isMarked)) return cells.map((cell) => Number(cell.replace(decimal === "," ? /[. \u00a0\u202f'’]/g : /[, \u00a0\u202f'’]/g, "").replace(",", ".")));
  return cells.every((cell) => PLAIN.test(cell) && Number.isFinite(Number(cell))) ? cells.map(Number) : null;
}

const isMissing = (cell: string): boolean => ["", "na", "n/a", "nan", "null"].includes(cell.trim().toLowerCase());

export const counted = (k: number, what: string): string => `${k.toLocaleString("en")} ${what}${k === 1 ? "" : "s"}`;
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
  const [names, columns, read]: [string[], number[][], string[]] = [[], [], []];
  table.names.forEach((name, j) => {
    if (j === target) return;
    const cells = places.map((i) => table.cells[i][j].trim());
    const there = cells.filter((cell) => !isMissing(cell));
    const numbers = there.length ? numbersOf(there, table.decimal) : null;
    if (numbers) {
      const marked = there.findIndex((cell, k) => Number(cell) !== numbers[k]);
      if (marked >= 0) read.push(`${there[marked]} as ${numbers[marked]} (${name})`);
      const mean = numbers.reduce((a, b) => a + b, 0) / numbers.length;
      if (numbers.every((x) => x === numbers[0])) return void notes.push(`Column ${name} is constant and left out.`);
      const square = numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0);
      if (!Number.isFinite(square) || !Number.isFinite(1 / square)) return void notes.push(`Column ${name} is left out: the squares of its numbers are too ${square < 1 ? "small" : "large"} to be added. Write it in another unit.`);
      if (there.length < cells.length) notes.push(`Column ${name}: missing in ${counted(cells.length - there.length, "row")}, filled with the mean.`);
      names.push(name);
      let next = 0;
      columns.push(cells.map((cell) => (isMissing(cell) ? mean : numbers[next++])));
      return;
    }
    const odd = there.filter((cell) => !numbersOf([cell], table.decimal));
    if (odd.length <= there.length / 10 && odd.length) notes.push(`Column ${name} is taken for text, since ${odd[0]} is no number.`);
    const levels = [...new Set(there)].sort();
    if (levels.length < 2 || levels.length > MOST_LEVELS) return void notes.push(`Column ${name} has ${counted(levels.length, "different text")} and is left out.`);
    const usual = levels.reduce((a, b) => (count(there, b) > count(there, a) ? b : a));
    if (there.length < cells.length) notes.push(`Column ${name}: missing in ${counted(cells.length - there.length, "row")}, filled with ${usual}, the most frequent.`);
    for (const level of levels.slice(1)) {
      names.push(`${name}=${level}`);
      columns.push(cells.map((cell) => ((isMissing(cell) ? usual : cell) === level ? 1 : 0)));
    }
  });
  if (read.length) notes.unshift(`Read ${read.slice(0, 3).join(", ")}${read.length > 3 ? `, and ${counted(read.length - 3, "more column")} so` : ""}.`);
  if (!names.length) throw new Unusable("No column is left to train on.");
  if (names.length > MOST_COLUMNS) throw new Unusable(`The columns make ${names.length} coefficients; the page holds ${MOST_COLUMNS} at most: leave some columns out.`);
  const [m, n] = [places.length, names.length];
  const raw: Rows = { m, n, x: Float64Array.from({ length: m * n }, (_, k) => columns[k % n][Math.floor(k / n)]), y: Uint8Array.from(places, (i) => (table.cells[i][target].trim() === classes[1] ? 1 : 0)), s: null };
  const [center, scale] = moments(raw);
  const rows = rescaled(raw, center, scale);
  const rate = 1 / finished(largestEigenvalue(rows, curvatures(rows)));
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
    trainer: null,
    last: EPOCHS,
    optimum: null,
    sampledFrom: known.length > MOST_ROWS ? known.length : null,
  };
  return { data, notes };
}
