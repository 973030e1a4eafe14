import { TOKEN, datePatternOf } from "./date-patterns.ts";

// Dates as people write them.

export interface DateFormat {
  readonly matcher: RegExp;
  /** The tokens of the matcher's groups. */
  readonly tokens: readonly string[];
}

const MONTHS = "january february march april may june july august september october november december".split(" ");

const TOKENS: Readonly<Record<string, string>> = {
  YYYY: String.raw`(\d{4})`,
  YY: String.raw`(\d{2})`,
  MMM: String.raw`([a-z]{3,9})\.?`,
  mm: String.raw`(\d{2})`,
  ss: String.raw`(\d{2}(?:[.,]\d{1,9})?)`,
  A: String.raw`([ap]\.?m\.?)`,
};
const ONE_OR_TWO = String.raw`(\d{1,2})`;
const TWO = String.raw`(\d{2})`;
/** With nothing between them, numbers have all their digits. */
const COMPACT = /^(?:YYYY|YY|MM|DD|HH|mm|ss)+(?:[T ]?(?:HH|mm|ss)+)?$/;

/** Of a pattern or an example that the submission has checked. */
export function dateFormatsOf(texts: readonly string[]): readonly DateFormat[] {
  return texts.flatMap((text) => {
    const found = datePatternOf(text);
    return "problem" in found ? [] : [{ matcher: matcherOf(found.pattern), tokens: found.tokens }];
  });
}

function matcherOf(pattern: string): RegExp {
  const number = COMPACT.test(pattern) ? TWO : ONE_OR_TWO;
  let source = "";
  let at = 0;
  for (const match of pattern.matchAll(TOKEN)) {
    const [token] = match;
    source += escaped(pattern.slice(at, match.index)) + (TOKENS[token] ?? number);
    at = match.index + token.length;
  }
  return new RegExp(`^${source}${escaped(pattern.slice(at))}$`, "i");
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, String.raw`\$&`).replace(/ +/g, " +");
}

/** The day or the instant of a text; `undefined` if it is not of this format, or no date. */
export function dateIn(text: string, { matcher, tokens }: DateFormat): string | undefined {
  const groups = matcher.exec(text)?.slice(1);
  if (!groups) return undefined;
  const read = new Map(tokens.map((token, index) => [token, groups[index] ?? ""]));
  const number = (...names: readonly string[]) => Number(names.map((name) => read.get(name)).find(Boolean) ?? NaN);
  const short = read.get("YY");
  // As POSIX divides the centuries.
  const year = short === undefined ? number("YYYY") : Number(short) + (Number(short) < 69 ? 2_000 : 1_900);
  const named = read.get("MMM")?.toLowerCase();
  const month = named === undefined ? number("MM", "M") : MONTHS.findIndex((name) => name.startsWith(named)) + 1;
  const day = `${padded(year, 4)}-${padded(month)}-${padded(number("DD", "D"))}`;
  if (!isDay(day)) return undefined;
  if (!read.has("HH") && !read.has("H")) return day;
  const half = read.get("A")?.toLowerCase();
  const hour = number("HH", "H");
  if (half !== undefined && (hour < 1 || hour > 12)) return undefined;
  const hours = half === undefined ? hour : (hour % 12) + (half.startsWith("p") ? 12 : 0);
  const seconds = (read.get("ss") ?? "00").replace(",", ".");
  const at = Date.parse(`${day}T${padded(hours)}:${padded(number("mm") || 0)}:${seconds}Z`);
  return Number.isNaN(at) ? undefined : new Date(at).toISOString();
}

function padded(number: number, digits = 2): string {
  return String(number).padStart(digits, "0");
}

/** False for February 30, which Date.parse reads as March 2. */
export function isDay(day: string): boolean {
  const midnight = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(midnight) && new Date(midnight).toISOString().slice(0, 10) === day;
}
