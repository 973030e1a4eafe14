// Dates as people write them, by a pattern such as `DD.MM.YYYY` or by an example such as `31.01.2026`.

/** A number of days since 1900, as Excel counts them. */
export const EXCEL = "excel";

export interface DateFormat {
  readonly matcher: RegExp;
  /** The tokens of the matcher's groups. */
  readonly tokens: readonly string[];
  /** The same for two formats that would read a text as different dates. */
  readonly shape: string;
  /** Whether day, month and year come in this order. */
  readonly order: string;
}

const MONTHS = "january february march april may june july august september october november december".split(" ");

const TOKENS: Readonly<Record<string, string>> = {
  YYYY: String.raw`(\d{4})`,
  YY: String.raw`(\d{2})`,
  MMM: String.raw`([a-z]{3,9})\.?`,
  MM: String.raw`(\d{1,2})`,
  M: String.raw`(\d{1,2})`,
  DD: String.raw`(\d{1,2})`,
  D: String.raw`(\d{1,2})`,
  HH: String.raw`(\d{1,2})`,
  H: String.raw`(\d{1,2})`,
  mm: String.raw`(\d{2})`,
  ss: String.raw`(\d{2}(?:[.,]\d{1,9})?)`,
  A: String.raw`([ap]\.?m\.?)`,
};
const TOKEN = /YYYY|YY|MMM|MM|M|DD|D|HH|H|mm|ss|A/g;
/** With nothing between them, these have all their digits. */
const COMPACT = /^(?:YYYY|YY|MM|DD|HH|mm|ss)+(?:[T ]?(?:HH|mm|ss)+)?$/;

/** The format of a pattern or an example, or what is wrong with it. */
export function dateFormatOf(text: string): DateFormat | { readonly problem: string } {
  const pattern = /\d/.test(text) ? patternOf(text) : inOurLetters(text.trim());
  if (typeof pattern !== "string") return pattern;
  const found = [...pattern.matchAll(TOKEN)].map(([token]) => token);
  const kinds = found.map((token) => (token === "mm" ? "minute" : token.slice(0, 1)));
  const isWhole = ["Y", "M", "D"].every((kind) => kinds.includes(kind)) && new Set(kinds).size === kinds.length;
  if (!isWhole || /[a-z]/i.test(pattern.replace(TOKEN, "").replaceAll("T", ""))) return { problem: EXPECTED };
  const isCompact = COMPACT.test(pattern);
  let source = "";
  let at = 0;
  for (const match of pattern.matchAll(TOKEN)) {
    source += escaped(pattern.slice(at, match.index));
    const [token] = match;
    source += isCompact && token !== "YYYY" && token !== "ss" ? String.raw`(\d{2})` : (TOKENS[token] ?? "");
    at = match.index + token.length;
  }
  source += escaped(pattern.slice(at));
  const shape = kinds.map((kind) => (/[YMD]/.test(kind) ? "#" : kind)).join("") + pattern.replace(TOKEN, "#");
  const order = found.filter((token) => /^[YMD]/.test(token)).map((token) => token.slice(0, 1));
  return { matcher: new RegExp(`^${source}$`, "i"), tokens: found, shape, order: order.join("") };
}

const EXPECTED = "expected a pattern such as DD.MM.YYYY or MM/DD/YYYY HH:mm, an example such as 31.01.2026, or excel";

/** Of `dd.mm.yyyy` and `dd.MM.yyyy`: minutes stand beside a colon. */
function inOurLetters(pattern: string): string {
  const upper = pattern.replace(/[ydh]+/g, (letters) => letters.toUpperCase());
  return upper.includes("M") ? upper : upper.replace(/(?<![:m])m+(?![:m])/g, (letters) => letters.toUpperCase());
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, String.raw`\$&`).replace(/ +/g, " +");
}

/** `DD.MM.YYYY` of `31.01.2026`: a day of more than 12 tells which number it is. */
function patternOf(example: string): string | { readonly problem: string } {
  const [date = "", ...time] = example.trim().split(/(?<=\d)(?:T| +)(?=\d{1,2}:)/);
  const parts = date.match(/\d+|[a-z]+|[^\da-z]+/gi) ?? [];
  const numbers = parts.filter((part) => /^\d+$/.test(part));
  const hasMonth = parts.some((part) => /^[a-z]{3,}$/i.test(part));
  const year = numbers.find((part) => part.length === 4);
  const rest = numbers.filter((part) => part !== year);
  const days = rest.filter((part) => Number(part) > 12 && Number(part) <= 31);
  const isClear = hasMonth ? rest.length === 1 : rest.length === 2 && days.length === 1;
  if (year === undefined || !isClear)
    return { problem: `${EXPECTED}; the year of an example has four digits, and its day is over 12` };
  const day = hasMonth ? rest[0] : days[0];
  const dated = parts.map((part) => {
    if (/^[a-z]{3,}$/i.test(part)) return "MMM";
    if (!/^\d+$/.test(part)) return part;
    return part === year ? "YYYY" : part === day ? "DD" : "MM";
  });
  const timed = time.map((part) =>
    part
      .replace(/^\d{1,2}:\d{2}:\d{2}(\.\d+)?/, "HH:mm:ss")
      .replace(/^\d{1,2}:\d{2}/, "HH:mm")
      .replace(/[ap]m$/i, "A"),
  );
  return [dated.join(""), ...timed].join(" ");
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
