import { DAY } from "../clock.ts";

// Numbers as Excel keeps them: their format says whether they are dates, which are counts of days.

/** What a cell's number stands for, by its format. Durations, such as `[h]:mm`, are numbers. */
export type NumberKind = "number" | "date" | "time";

export interface NumberStyle {
  readonly kind: NumberKind;
  /** That are shown at least, of a format such as `00000`; 0 for others. */
  readonly digits: number;
}

export function styleOf(kind: NumberKind, format = ""): NumberStyle {
  return { kind, digits: /^0{2,}$/.test(format) ? format.length : 0 };
}

/** Formats that a workbook does not define: ECMA-376, part 1, 18.8.30. */
export function kindOfBuiltIn(id: number): NumberKind {
  if ((id >= 18 && id <= 21) || id === 45 || id === 47) return "time";
  if (id === 46) return "number";
  return (id >= 14 && id <= 22) || (id >= 27 && id <= 36) || (id >= 50 && id <= 58) ? "date" : "number";
}

/** By a format such as `yyyy-mm-dd` or `0.00 "days"`. */
export function kindOfFormat(format: string): NumberKind {
  const [code = ""] = format
    .replace(/\\.|_.|\*.|"[^"]*"/gs, "")
    .toLowerCase()
    .split(";");
  if (/\[[hms]+\]/.test(code) || code.includes("general")) return "number";
  const letters = code.replace(/\[[^\]]*\]/g, "").replace(/am\/pm|a\/p/g, "h");
  if (/[yd]/.test(letters)) return "date";
  if (/[hs]/.test(letters)) return "time";
  // Of months alone. E stands for an exponent too.
  return letters.includes("m") ? "date" : "number";
}

const LAST_SERIAL = 2_958_466;
/** Excel has a 29 February 1900, which there was not. */
const NO_DAY = 60;

/** A day of ISO 8601, or an instant of UTC if it has a time; `undefined` for a number that is no date. */
export function dateOfSerial(serial: number, is1904: boolean): string | undefined {
  if (!(serial >= (is1904 ? 0 : 1) && serial < LAST_SERIAL) || (!is1904 && Math.floor(serial) === NO_DAY))
    return undefined;
  const start = is1904 ? Date.UTC(1904, 0, 1) : Date.UTC(1899, 11, serial < NO_DAY ? 31 : 30);
  const time = Math.round(serial * DAY);
  if (!is1904 && time >= LAST_SERIAL * DAY) return undefined;
  const at = start + time;
  const text = new Date(at).toISOString();
  return at % DAY === 0 ? text.slice(0, 10) : text;
}

/** HH:MM:SS of a part of a day. */
export function timeOfSerial(serial: number): string {
  const milliseconds = Math.round(serial * DAY) % DAY;
  return new Date(milliseconds).toISOString().slice(11, milliseconds % 1_000 === 0 ? 19 : 23);
}
