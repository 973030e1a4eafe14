// What a PDF lacks of its document, in words, for `X-PDF-Warnings` and the job. Bounded, since a header and the job's
// item hold a few kilobytes.

export const MOST_WARNINGS = 10;
/** In characters. */
export const LONGEST_WARNING = 300;
const LONGEST_NAME = 120;
const MOST_NAMED = 5;

/** Without repetition, the first ones. */
export function bounded(warnings: Iterable<string>): string[] {
  const all = [...new Set(warnings)].map((each) => shortened(each, LONGEST_WARNING));
  if (all.length <= MOST_WARNINGS) return all;
  const kept = MOST_WARNINGS - 1;
  return [...all.slice(0, kept), `And ${all.length - kept} more warnings`];
}

/** Things of a kind in one warning: the first of them by name, and how many more there are. */
export function listed(names: readonly string[], most = MOST_NAMED): string {
  const named = names.slice(0, most).map((name) => shortened(name, LONGEST_NAME));
  return names.length > most ? `${named.join(", ")} and ${names.length - most} more` : named.join(", ");
}

function shortened(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1).toWellFormed()}…` : text;
}

/** API Gateway takes 10 KB of headers in all, and a client such as Node 16 KB. */
const LONGEST_HEADER = 4_000;

/** A JSON array in ASCII, as headers want it. What would be too long for one is left to `GET /jobs/{id}`. */
export function headerOf(warnings: readonly string[]): string {
  const whole = inAscii(warnings);
  if (whole.length <= LONGEST_HEADER) return whole;
  for (let kept = warnings.length - 1; ; kept -= 1) {
    const more = `And ${warnings.length - kept} more warnings: GET /jobs/{id} has them all`;
    const header = inAscii([...warnings.slice(0, kept), more]);
    if (kept === 0 || header.length <= LONGEST_HEADER) return header;
  }
}

function inAscii(warnings: readonly string[]): string {
  return JSON.stringify(warnings).replaceAll(
    /[^\x20-\x7e]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
