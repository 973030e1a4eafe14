// Text as the cells of a spreadsheet hold it, so that it is shown as text.

/**
 * Where some reader of CSV begins a cell or a row: by locale a semicolon or a tab separates cells, and some readers
 * split at these ends of lines even within quotes. Text with one is quoted.
 */
export const SEPARATOR = /[\t\n\v\f\r;\u0085\u2028\u2029]/;

/**
 * What vanishes before a formula: quotes when a cell is read, a byte order mark at the start of the file, and what is
 * invisible in some readers. No separator is among them, so that each is looked at once.
 */
const VANISHING = '["\\p{Cf}\\0-\\x08\\x0e-\\x1f\\x7f-\\x84\\x86-\\x9f]*';
/** A formula begins with one of these, the last four being full-width. */
const FORMULA = `${VANISHING}[=+\\-@\\uFF1D\\uFF0B\\uFF0D\\uFF20]`;
const FORMULA_AT_START = new RegExp(`^(?=[\\t\\r]|${FORMULA})`, "u");
const formulaBehind = (separator: string) => new RegExp(`(?<=${separator})(?=${FORMULA})`, "gu");
const FORMULA_WITHIN = formulaBehind(SEPARATOR.source);
/** Of a file whose cells something else separates than a comma, by which many readers separate cells anyway. */
const FORMULA_WITHIN_OTHERS = formulaBehind(`(?:,|${SEPARATOR.source})`);
/** A first line that tells Excel the separator of the file. */
const SEPARATOR_LINE = new RegExp(`^(?=${VANISHING}sep=)`, "iu");

/** With an apostrophe in front of what a spreadsheet would take for a formula, at the start and behind a separator. */
export function csvText(text: string, delimiter = ","): string {
  const within = delimiter === "," ? FORMULA_WITHIN : FORMULA_WITHIN_OTHERS;
  return text.replace(within, "'").replace(FORMULA_AT_START, "'").replace(SEPARATOR_LINE, "'");
}

/** In characters, of Excel. */
export const LONGEST_CELL = 32_767;

/** Without characters that XML forbids. A reader takes `_x0041_` for A, unless its first `_` is written as a code too. */
export function excelText(text: string): string {
  return text.slice(0, LONGEST_CELL).toWellFormed().replace(NOT_XML, "\uFFFD").replace(CODED, "_x005F_");
}

// oxlint-disable-next-line no-control-regex -- the pattern removes them
const NOT_XML = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]/g;
const CODED = /_(?=x[0-9a-f]{4}_)/gi;
