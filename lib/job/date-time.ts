import * as z from "../zod.ts";

// The times that requests name.

const DAY = z.regexes.date.source.slice(1, -1);
const CLOCK = String.raw`(?:[01]\d|2[0-3]):[0-5]\d`;
const DATE_TIME = new RegExp(String.raw`^${DAY}T${CLOCK}(?::[0-5]\d(?:\.\d+)?)?(?:Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d)$`);

/** A date and time of ISO 8601 with its offset. Without seconds it is the full minute; the value has RFC 3339's form. */
export const dateTime = z
  .pipe(
    z
      .string()
      .check(
        z.regex(
          DATE_TIME,
          "expected a date and time with its offset, such as 2027-01-15T10:00:00Z or 2027-01-15T10:00+05:30",
        ),
      ),
    z.transform(extended),
  )
  .check(z.meta({ format: "date-time" }));

/** For a query, where a + that is not escaped arrives as a space. */
export const dateTimeInQuery = z
  .pipe(z.string().check(z.overwrite((text) => text.replace(/ (?=\d\d:?\d\d$)/, "+"))), dateTime)
  .check(z.meta({ format: "date-time" }));

/** With seconds, and a colon in the offset: the form that Date.parse promises to read. */
function extended(text: string): string {
  const [, minute = "", second = ":00", offset = ""] = /^(.{16})(:[\d.]+)?(Z|.{5,6})$/.exec(text) ?? [];
  return minute + second + offset.replace(/^(...)(\d\d)$/, "$1:$2");
}
