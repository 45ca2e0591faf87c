// Elements of the page, made without markup: names from the data are always text.

export type Child = Node | string | number | null | undefined | false;
type Attributes = Record<string, string | number | boolean | EventListener | undefined>;

const HTML = "http://www.w3.org/1999/xhtml";
const SVG = "http://www.w3.org/2000/svg";
const MATH = "http://www.w3.org/1998/Math/MathML";

interface Made {
  readonly kind: string;
  readonly element: Element;
  readonly attributes: Attributes;
}

/** What each place that is drawn again and again is made of, in the order of making. */
const drawings = new WeakMap<Element, Made[]>();
let [drawing, count]: [Made[] | null, number] = [null, 0];

function set(element: Element, name: string, value: Attributes[string], before: Attributes[string]): void {
  if (typeof before === "function") element.removeEventListener(name, before);
  if (typeof value === "function") element.addEventListener(name, value);
  else if (value === undefined || value === false) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}

/** Make an element; within `redraw`, the one that was made in its place before, if its name and attributes' names are the same. */
function made(namespace: string, name: string, attributes: Attributes, children: readonly Child[]): Element {
  const kind = `${namespace} ${name} ${Object.keys(attributes)}`;
  const last = drawing?.[count];
  const { element, attributes: before }: Omit<Made, "kind"> = last?.kind === kind ? last : { element: document.createElementNS(namespace, name), attributes: {} };
  if (drawing) drawing[count++] = { kind, element, attributes };
  for (const key in attributes) if (attributes[key] !== before[key]) set(element, key, attributes[key], before[key]);
  put(element, ...children);
  return element;
}

/** Let an element hold some children; texts alone are written into those that are there. */
export function put(element: Element, ...children: Child[]): void {
  const wanted = children.filter((child) => child !== null && child !== undefined && child !== false).map((child) => (typeof child === "number" ? pretty(child) : child));
  const held = element.childNodes;
  const isThere = held.length === wanted.length && wanted.every((child, k) => (typeof child === "string" ? held[k] instanceof Text : child === held[k]));
  if (!isThere) return element.replaceChildren(...wanted);
  wanted.forEach((child, k) => typeof child === "string" && (held[k] as Text).data !== child && ((held[k] as Text).data = child));
}

/** Put what is made into a place whose elements stay from one time to the next, and are changed where they differ. */
export function redraw(place: Element, make: () => readonly Child[]): void {
  [drawing, count] = [drawings.get(place) ?? [], 0];
  try {
    put(place, ...make());
    drawing.length = count;
    drawings.set(place, drawing);
  } finally {
    drawing = null;
  }
}

export function el<K extends keyof HTMLElementTagNameMap>(name: K, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  return made(HTML, name, attributes, children) as HTMLElementTagNameMap[K];
}

export function svg<K extends keyof SVGElementTagNameMap>(name: K, attributes: Attributes = {}, ...children: Child[]): SVGElementTagNameMap[K] {
  return made(SVG, name, attributes, children) as SVGElementTagNameMap[K];
}

const math = (name: string, ...children: Child[]): Element => made(MATH, name, {}, children);

/** A small language for formulas: `row(i("z"), o("="), n("3"))`. */
export const tex = {
  i: (text: string) => math("mi", text),
  n: (value: number | string) => math("mn", typeof value === "number" ? pretty(value) : value),
  o: (text: string) => math("mo", text),
  text: (text: string) => math("mtext", text),
  row: (...children: Child[]) => math("mrow", ...children),
  over: (top: Child, bottom: Child) => math("mfrac", top, bottom),
  sub: (base: Child, index: Child) => math("msub", base, index),
  sup: (base: Child, index: Child) => math("msup", base, index),
  block: (...children: Child[]) => made(MATH, "math", { display: "block" }, children),
  /** A part of a line, which may break after it. */
  part: (...children: Child[]) => made(MATH, "math", { displaystyle: "true" }, children),
};

/** Write a number as books do: −0.2500, 7.9 × 10⁻¹³. */
export function pretty(x: number | null | undefined, digits = 4): string {
  if (x === null || x === undefined || Number.isNaN(x)) return "–";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  if (Object.is(x, -0)) return "0";
  if (Number.isInteger(x) && Math.abs(x) < 1e6) return x.toLocaleString("en").replace("-", "−");
  const exponent = Math.floor(Math.log10(Math.abs(x)));
  if (exponent > -5 && exponent < 6) return x.toFixed(Math.max(0, digits - 1 - exponent)).replace("-", "−");
  const [mantissa, power] = x.toExponential(digits - 1).split("e");
  const raised = [...String(Number(power))].map((c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]).join("");
  return `${mantissa}\u00a0×\u00a010${raised}`.replace("-", "−");
}

export const capital = (text: string): string => text[0].toUpperCase() + text.slice(1);

/** Write numbers that are added up with decimals in common: those of the largest's fifth digit, or more for four digits. */
export function alike(...added: number[]): (x: number) => string {
  const place = (x: number): number => Math.floor(Math.log10(Math.abs(x))); // of the first digit
  const largest = Math.max(...added.map(place));
  if (!Number.isFinite(largest)) return (x) => pretty(x);
  return (x) => {
    const digits = Math.max(4, 5 + place(x) - largest);
    const isLong = Math.abs(largest) > 4 || place(x) < -9; // with a power of ten
    return isLong || Number.isInteger(x) ? pretty(x, digits) : x.toFixed(digits - 1 - place(x)).replace("-", "−");
  };
}

/** Write a number as a factor or term after a sign: one below 0 in brackets. */
export const signed = (x: number, write = pretty as (x: number) => string): string => (x < 0 ? `(${write(x)})` : write(x));

/** The head of a table's row: a name, which may break after _ and =, and its symbol. */
export function named(short: string, name: string, symbol = ""): HTMLTableCellElement {
  const parts = short.split(/(?<=[_=\s./-])/).flatMap((part, k) => (k ? [el("wbr"), part] : [part]));
  return el("th", { scope: "row", title: name }, ...parts, symbol && el("small", {}, ` ${symbol}`));
}

export const subscript = (k: number): string => [...String(k)].map((c) => "₀₁₂₃₄₅₆₇₈₉"[Number(c)]).join("");

/** Shorten a name with an ellipsis in the middle, since long names often differ at their ends. */
export function shortened(name: string, most: number): string {
  const letters = [...name];
  const tail = Math.floor(most / 2);
  return letters.length <= most ? name : `${letters.slice(0, most - 1 - tail).join("")}…${letters.slice(-tail).join("")}`;
}

/** Shorten a name to its beginning and what is around a place in its middle. */
function around(name: string, place: number, most: number): string {
  const letters = [...name];
  const head = Math.floor(most / 3);
  const size = most - head - 2;
  const from = Math.max(head, Math.min(place - Math.floor(size / 2), letters.length - size));
  return `${letters.slice(0, head).join("")}…${letters.slice(from, from + size).join("")}${from + size < letters.length ? "…" : ""}`;
}

/** Shorten names so that they stay different: some show where they differ, or else get their number. */
export function allShortened(names: readonly string[], most: number): string[] {
  const made = names.map((name) => shortened(name, most));
  const shown = made.map((short, j) => {
    if (made.indexOf(short) === made.lastIndexOf(short)) return short;
    const same = names.filter((_, k) => made[k] === short).map((name) => [...name]);
    return around(names[j], same[0].findIndex((letter, at) => same.some((name) => name[at] !== letter)), most);
  });
  return shown.map((short, j) => (shown.indexOf(short) === shown.lastIndexOf(short) ? short : `${shortened(names[j], most - 6)} (${j + 1})`));
}
