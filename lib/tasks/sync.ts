import * as z from "zod";
import { wholeUrl } from "../outbound/target-url.ts";
import { datasetName, isColumnName, quoted, typeOf } from "./columns.ts";
import { again, defineTask, done, failed } from "./task.ts";
import { MOST_COLUMNS, type ColumnType, type Columns, type Row, type SavedPart } from "../datasets/dataset.ts";
import { isExactNumber, isNumber, parseExactly } from "../job/exact-json.ts";
import { smallHeaders } from "../outbound/headers.ts";

const name = z.string().min(1).max(100);

const payload = z.strictObject({
  url: wholeUrl,
  dataset: datasetName,
  mode: z.enum(["append", "replace"]).default("replace"),
  headers: smallHeaders,
  pagination: z
    .discriminatedUnion("by", [
      z.strictObject({
        by: z.literal("cursor"),
        parameter: name.default("cursor"),
        items: name.default("items"),
        next: name.default("nextCursor").describe("The answer's field that names the next page; none at the end."),
      }),
      z.strictObject({
        by: z.literal("page"),
        parameter: name.default("page"),
        first: z.int().min(0).max(1).default(1),
        items: name.default("items"),
      }),
      z.strictObject({ by: z.literal("none"), items: name.default("items") }),
    ])
    .default({ by: "cursor", parameter: "cursor", items: "items", next: "nextCursor" })
    .describe("A page without items ends a source that is paged by number."),
});

type Pagination = z.infer<typeof payload>["pagination"];

/** The count of pages that were read, and the cursor of the next one. */
interface Place {
  readonly pages: number;
  readonly cursor?: string;
}

/** The checkpoint. */
interface Saved extends Place {
  readonly part: SavedPart;
}

function placeOf({ pages, cursor }: Saved): Place {
  return { pages, ...(cursor !== undefined && { cursor }) };
}

const LARGEST_PAGE = 8 * 1_024 * 1_024;
const MOST_PAGES = 10_000;
/** In characters; bounds the checkpoint. */
const LONGEST_CURSOR = 2_000;
/** Bounds the rows and pages that are fetched again after a lost attempt. */
const ROWS_BETWEEN_CHECKPOINTS = 5_000;
const PAGES_BETWEEN_CHECKPOINTS = 20;

/** Reads all pages of a REST source into a dataset. */
export const sync = defineTask({
  jobType: "sync",
  summary: "Pulls a paged REST source into a dataset of the app",
  payload,
  writes: ({ dataset: name, mode }) => ({ name, mode }),

  async run({ url, dataset, mode, headers, pagination }, context) {
    const { datasets, http } = context;
    const before = await datasets.committed(dataset);
    if (before) return done(before);
    const checkpointed = context.saved as Saved | undefined;
    // A cleanup may have deleted the saved parts meanwhile: then the sync starts over.
    const saved = checkpointed && (await datasets.has(dataset, checkpointed.part)) ? checkpointed : undefined;
    const part = datasets.part(dataset, saved?.part);
    const seen: Seen = new Map();
    let rows = saved?.part.rows ?? 0;
    let place: Place = saved ? placeOf(saved) : { pages: 0 };
    let pending = { rows: 0, pages: 0 };
    const refuse = async (problem: string) => {
      await part.discard();
      return failed(problem);
    };
    try {
      for (;;) {
        if (place.pages === MOST_PAGES)
          return await refuse(`The source has more than ${MOST_PAGES} pages: ask it for larger ones`);
        const asked = urlOf(url, pagination, place);
        const answer = await http.send({
          method: "GET",
          url: asked,
          headers: { accept: "application/json", ...headers },
          mostBytes: LARGEST_PAGE,
        });
        if (answer.kind === "refused") return await refuse(`The source was not asked: ${answer.problem}`);
        const which = `Page ${place.pages + 1}`;
        if (answer.kind === "failed" || mayHelp(answer.status)) {
          await part.abort();
          return again(`${which} did not come: ${answer.kind === "failed" ? answer.problem : `HTTP ${answer.status}`}`);
        }
        if (answer.status !== 200) return await refuse(`${which} did not come: HTTP ${answer.status}, expected 200`);
        const page = pageOf(answer.body, pagination);
        if ("problem" in page) return await refuse(`${which} ${page.problem}`);
        if (page.cursor !== undefined && page.cursor === place.cursor) {
          return await refuse(`${which} names itself as the next: the source would never end`);
        }
        for (const item of page.items) {
          const problem = learn(seen, item);
          if (problem !== undefined) return await refuse(`${which} ${problem}`);
          await part.write(item);
        }
        rows += page.items.length;
        place = { pages: place.pages + 1, ...(page.cursor !== undefined && { cursor: page.cursor }) };
        // The count of pages is unknown.
        const shown = { percent: Math.min(95, place.pages), label: `${rows} rows of ${place.pages} pages` };
        await context.progress(place.pages, place.pages + 1, shown);
        if (page.isLast) break;
        pending = { rows: pending.rows + page.items.length, pages: pending.pages + 1 };
        if (pending.rows < ROWS_BETWEEN_CHECKPOINTS && pending.pages < PAGES_BETWEEN_CHECKPOINTS) continue;
        await context.checkpoint({ ...place, part: await part.flush() } satisfies Saved);
        pending = { rows: 0, pages: 0 };
      }
      for await (const earlier of part.earlier()) for (const row of earlier) learn(seen, row);
      const result = { dataset, rows, pages: place.pages };
      const columns: Columns = Object.fromEntries([...seen].map(([column, type]) => [column, type ?? "any"]));
      const committed = await part.commit({ mode, columns, otherType: "widen", result });
      if (committed.kind === "refused")
        return await refuse(`Dataset ${dataset} can't take the rows: ${committed.problem}`);
      await context.progress(place.pages, place.pages);
      return done(committed.result);
    } catch (error) {
      await part.abort();
      throw error;
    }
  },
});

/** True if a later attempt may succeed. */
function mayHelp(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429;
}

function urlOf(text: string, pagination: Pagination, { pages, cursor }: Place): URL {
  const url = new URL(text);
  if (pagination.by === "cursor" && cursor !== undefined) url.searchParams.set(pagination.parameter, cursor);
  if (pagination.by === "page") url.searchParams.set(pagination.parameter, String(pagination.first + pages));
  return url;
}

type Page = { readonly items: readonly Row[]; readonly isLast: boolean; readonly cursor?: string };

function pageOf(body: Uint8Array, pagination: Pagination): Page | { readonly problem: string } {
  let answer: unknown;
  try {
    answer = parseExactly(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    return { problem: "is not JSON: expected an object with items, or an array of them" };
  }
  const items: unknown = Array.isArray(answer) ? answer : field(answer, pagination.items);
  if (!Array.isArray(items))
    return { problem: `has no array ${quoted(pagination.items)}: set pagination.items to its name` };
  const other = items.findIndex((item) => !isObject(item));
  if (other >= 0) return { problem: `has an item ${other + 1} that is not an object` };
  const rows = items as Row[];
  switch (pagination.by) {
    case "none":
      return { items: rows, isLast: true };
    case "page":
      return { items: rows, isLast: rows.length === 0 };
    case "cursor": {
      const next: unknown = field(answer, pagination.next);
      if (next === undefined || next === null || next === "") return { items: rows, isLast: true };
      if (typeof next !== "string" && !isNumber(next))
        return { problem: `has a ${pagination.next} that is neither text nor a number` };
      const cursor = isExactNumber(next) ? next.rawJSON : String(next);
      if (cursor.length > LONGEST_CURSOR)
        return { problem: `has a ${pagination.next} longer than ${LONGEST_CURSOR} characters` };
      return { items: rows, isLast: false, cursor };
    }
    default:
      return pagination satisfies never;
  }
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isExactNumber(value);
}

function field(of: unknown, name: string): unknown {
  return isObject(of) && Object.hasOwn(of as Row, name) ? (of as Row)[name] : undefined;
}

/** The columns so far with their types; a column of nothing but null has no type yet. */
type Seen = Map<string, ColumnType | undefined>;

/** Adds the columns of a row. Returns the problem of a row that no dataset can hold. */
function learn(seen: Seen, row: Row): string | undefined {
  for (const [column, value] of Object.entries(row)) {
    if (!seen.has(column)) {
      if (!isColumnName(column)) return `has an item with a field ${quoted(column)}, which can't be a column's name`;
      if (seen.size === MOST_COLUMNS) return `brings more than ${MOST_COLUMNS} different fields`;
      seen.set(column, undefined);
    }
    if (value === null) continue;
    const known = seen.get(column);
    const type = typeOf(value);
    seen.set(column, known === undefined || known === type ? type : "any");
  }
  return undefined;
}
