// Dates as people write them, by a pattern such as `DD.MM.YYYY` or by an example such as `31.01.2026`. Here is what a
// submission checks; `date-formats.ts` reads the dates.

/** A number of days since 1900, as Excel counts them. */
export const EXCEL = "excel";

export interface DatePattern {
  readonly pattern: string;
  readonly tokens: readonly string[];
  /** The same for two patterns that fit the same texts. */
  readonly shape: string;
  /** Of day, month and year. */
  readonly order: string;
}

export const TOKEN = /YYYY|YY|MMM|MM?|DD?|HH?|mm|ss|A/g;

/** The pattern of a pattern or an example, or what is wrong with it. */
export function datePatternOf(text: string): DatePattern | { readonly problem: string } {
  const pattern = /\d/.test(text) ? patternOf(text) : inOurLetters(text.trim());
  const tokens = pattern.match(TOKEN) ?? [];
  const kinds = tokens.map((token) => token[0] ?? "");
  const isWhole = ["Y", "M", "D"].every((kind) => kinds.includes(kind)) && new Set(kinds).size === kinds.length;
  const shape = pattern.replace(TOKEN, (token) => SHAPES[token] ?? (/[YMD]/.test(token) ? "#" : token));
  const hasOther = /\p{L}/u.test(pattern.replace(TOKEN, "").replace("T", ""));
  if (!isWhole || hasOther) return { problem: EXPECTED };
  return { pattern, tokens, shape, order: kinds.filter((kind) => /[YMD]/.test(kind)).join("") };
}

const SHAPES: Readonly<Record<string, string>> = { YYYY: "@", MMM: "&" };

const EXPECTED =
  "expected a pattern such as DD.MM.YYYY or MM/DD/YYYY HH:mm, an example such as 31.01.2026, whose day is over 12, or excel";

/** Of `dd.mm.yyyy` and `dd.MM.yyyy`: minutes stand beside a colon. */
function inOurLetters(pattern: string): string {
  const upper = pattern.replace(/[ydh]+/g, (letters) => letters.toUpperCase());
  return upper.includes("M") ? upper : upper.replace(/(?<![:m])m+(?![:m])/g, (letters) => letters.toUpperCase());
}

/** `DD.MM.YYYY` of `31.01.2026`: a day of more than 12 tells which number it is. No pattern of other text. */
function patternOf(example: string): string {
  const [, date = "", time = ""] = /^(.*?\d)((?:T| +)\d{1,2}:.*)?$/.exec(example.trim()) ?? [];
  const named = date.replace(/[a-z]{3,}/i, "MMM").replace(/\d{4}/, "YYYY");
  const days = named.match(/\d+/g)?.filter((number) => Number(number) > 12 && Number(number) < 32) ?? [];
  const [day = named.includes("MMM") ? /\d+/.exec(named)?.[0] : undefined] = days;
  if (day === undefined || days.length > 1) return "";
  const dated = named.replace(new RegExp(`(?<!\\d)${day}(?!\\d)`), "DD").replace(/\d+/, "MM");
  return (
    dated +
    time
      .replace(/\d{1,2}/, "HH")
      .replace(/\d{2}/, "mm")
      .replace(/\d{2}(\.\d+)?/, "ss")
      .replace(/[ap]m$/i, "A")
  );
}
