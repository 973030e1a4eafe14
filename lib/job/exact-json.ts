// JSON whose numbers stay what they are. A JavaScript number holds any 15 digits, and not always more: JSON.parse reads
// 1234567890123456789 as 1234567890123456800, 1e400 as Infinity, and JSON.stringify writes -0 as 0.

/** A number that a JavaScript number would change, as its source wrote it. `JSON.stringify` writes it unchanged. */
export interface ExactNumber {
  readonly rawJSON: string;
}

export type AnyNumber = number | ExactNumber;

/** The part of ES2026 that TypeScript's library does not declare yet. */
interface SourceJson {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): ExactNumber;
  isRawJSON(value: unknown): value is ExactNumber;
}

const json = JSON as unknown as SourceJson;

/** Of a number of 16 digits or more, one with an exponent, and -0; also within text. */
const MAY_CHANGE = /(?:^|[\s:,[])(?:-?\d[\d.]{15}|-?\d[\d.]*e|-0(?![1-9]))/i;

/** False if no number of a JSON text can change. A parser that looks at each number takes ten times as long. */
export function mayChange(text: string): boolean {
  return MAY_CHANGE.test(text);
}

/** JSON.parse, but that a number which would change becomes an `ExactNumber`. */
export function parseExactly(text: string): unknown {
  if (!mayChange(text)) return JSON.parse(text);
  return json.parse(text, (_, value, { source }) =>
    typeof value === "number" && source !== undefined ? numberOf(source) : value,
  );
}

/** The number of a text in the grammar of JSON. */
export function numberOf(text: string): AnyNumber {
  const value = Number(text);
  return isKept(value, text) ? value : json.rawJSON(text);
}

export function isExactNumber(value: unknown): value is ExactNumber {
  return json.isRawJSON(value);
}

export function isNumber(value: unknown): value is AnyNumber {
  return typeof value === "number" || isExactNumber(value);
}

/** The first number within a value that would change: its text, and the names on the way to it. */
export function changingNumber(
  value: unknown,
): { readonly path: readonly string[]; readonly text: string } | undefined {
  if (isExactNumber(value)) return { path: [], text: value.rawJSON };
  if (typeof value !== "object" || value === null) return undefined;
  for (const [name, each] of Object.entries(value)) {
    const found = changingNumber(each);
    if (found) return { path: [name, ...found.path], text: found.text };
  }
  return undefined;
}

/** Less than 0, 0, or more than 0, by the decimal values. */
export function compareNumbers(a: AnyNumber, b: AnyNumber): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  const [x, y] = [decimalOf(textOf(a)), decimalOf(textOf(b))];
  if (x.sign !== y.sign) return x.sign - y.sign;
  return x.sign * (x.point - y.point || (x.digits === y.digits ? 0 : x.digits < y.digits ? -1 : 1));
}

/** Whether two values that are neither objects nor arrays are the same; numbers by their decimal values. */
export function isSameScalar(a: unknown, b: unknown): boolean {
  return isNumber(a) && isNumber(b) ? compareNumbers(a, b) === 0 : a === b;
}

/** The numbers that `String` may write in another way than a JSON text does: those of `MAY_CHANGE`, and fractions. */
const MAY_BE_REWRITTEN = /\d[.e]|-0|\d{16}/i;

/** JSON.parse, but that a number which its source writes in another way than JavaScript is an `ExactNumber`. */
export function parseAsWritten(text: string): unknown {
  if (!MAY_BE_REWRITTEN.test(text)) return JSON.parse(text);
  return json.parse(text, (_, value, { source }) =>
    typeof value === "number" && source !== undefined && source !== String(value) ? json.rawJSON(source) : value,
  );
}

/** A text for each value of JSON: the same one for numbers of the same value, however they are written. */
export function valueKey(value: unknown): string {
  const text = JSON.stringify(value);
  if (!mayChange(text)) return text;
  return JSON.stringify(value, (_, each: unknown) => {
    if (!isExactNumber(each)) return each;
    const { sign, digits, point } = decimalOf(each.rawJSON);
    return sign === 0 ? 0 : json.rawJSON(`${sign < 0 ? "-" : ""}0.${digits}e${point}`);
  });
}

export function significantDigits(value: number): number {
  return decimalOf(String(value)).digits.length;
}

function textOf(value: AnyNumber): string {
  return typeof value === "number" ? String(value) : value.rawJSON;
}

const ALWAYS_KEPT = 15;

function isKept(value: number, text: string): boolean {
  if (!Number.isFinite(value) || Object.is(value, -0)) return false;
  if (text.length <= ALWAYS_KEPT && !/e/i.test(text)) return true;
  const [there, kept] = [decimalOf(text), decimalOf(String(value))];
  return there.point === kept.point && there.digits === kept.digits;
}

/** A number as sign · 0.digits · 10^point; its digits neither begin nor end with a zero. */
interface Decimal {
  readonly sign: -1 | 0 | 1;
  readonly digits: string;
  readonly point: number;
}

function decimalOf(text: string): Decimal {
  const [, minus, whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(text) ?? [];
  const all = whole + fraction;
  let from = 0;
  let to = all.length;
  while (all[from] === "0") from += 1;
  // A pattern for zeros at the end would take the square of the length.
  while (to > from && all[to - 1] === "0") to -= 1;
  if (from === to) return { sign: 0, digits: "", point: 0 };
  return { sign: minus === "-" ? -1 : 1, digits: all.slice(from, to), point: whole.length - from + Number(exponent) };
}
