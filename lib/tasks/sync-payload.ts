import * as z from "../zod.ts";
import { wholeUrl } from "../outbound/target-url.ts";
import { smallHeaders } from "../outbound/headers.ts";
import { columnTypes, datasetName } from "./columns.ts";
import { csvFields, notationProblems } from "./import-payload.ts";

const parameter = () => z.string().check(z.minLength(1), z.maxLength(100));
const path = () => z.string().check(z.minLength(1), z.maxLength(200));
const items = () =>
  z
    ._default(path(), "items")
    .check(z.describe("The field of a JSON answer with the rows, or a path such as data.items."));

const pagination = () =>
  z.discriminatedUnion("by", [
    z.strictObject({
      by: z.literal("cursor"),
      parameter: z._default(parameter(), "cursor"),
      items: items(),
      next: z
        ._default(path(), "nextCursor")
        .check(z.describe("The answer's field that names the next page; none at the end.")),
    }),
    z.strictObject({
      by: z.literal("page"),
      parameter: z._default(parameter(), "page"),
      first: z._default(z.int().check(z.minimum(0), z.maximum(1)), 1),
      items: items(),
    }),
    z.strictObject({ by: z.literal("link"), items: items() }),
    z.strictObject({
      by: z.literal("url"),
      items: items(),
      next: z
        ._default(path(), "next")
        .check(z.describe("The answer's field with the URL of the next page; none at the end.")),
    }),
    z.strictObject({ by: z.literal("none"), items: items() }),
  ]);

export type Pagination = z.infer<ReturnType<typeof pagination>>;

const csv = () =>
  z
    .strictObject({
      ...csvFields(),
      columns: z
        .optional(columnTypes)
        .check(z.describe("What the header names, each with its type. Default: all are text.")),
    })
    .check(
      z.superRefine(({ columns = {}, ...notation }, context) => {
        for (const [field, message] of Object.entries(notationProblems({ columns, ...notation })))
          if (message !== undefined) context.addIssue({ code: "custom", path: [field], message });
      }),
    );

export const payload = z.lazy(() =>
  z
    .strictObject({
      url: wholeUrl,
      dataset: datasetName,
      mode: z._default(z.enum(["append", "replace"]), "replace"),
      headers: smallHeaders,
      format: z._default(z.enum(["json", "ndjson", "csv"]), "json"),
      csv: z.optional(csv()),
      pagination: z
        .optional(pagination())
        .check(z.describe("A page without items ends a source that is paged by number.")),
      trustFirstPage: z
        ._default(z.boolean(), false)
        .check(z.describe("Take a source of many pages for unchanged if its first page is.")),
    })
    .check(
      z.superRefine((asked, context) => {
        if (asked.csv && asked.format !== "csv")
          context.addIssue({ code: "custom", path: ["csv"], message: "is of CSV: leave it out, or set format to csv" });
        const { by } = paginationOf(asked);
        if (asked.format !== "json" && (by === "cursor" || by === "url")) {
          const message = `is ${by}, which is a field of JSON: expected page, link or none for ${asked.format}`;
          context.addIssue({ code: "custom", path: ["pagination", "by"], message });
        }
      }),
    ),
);

export type Sync = z.infer<typeof payload>;

/** What is not JSON has no field that could name a next page. */
export function paginationOf({ pagination: asked, format }: Pick<Sync, "pagination" | "format">): Pagination {
  if (asked) return asked;
  return format === "json"
    ? { by: "cursor", parameter: "cursor", items: "items", next: "nextCursor" }
    : { by: "none", items: "items" };
}
