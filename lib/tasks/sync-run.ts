import { MINUTE, SECOND } from "../clock.ts";
import { maskedAddress } from "../job/masking.ts";
import { BrokenAnswer, UnreadableAnswer } from "../outbound/answer-body.ts";
import { MOST_COLUMNS } from "../datasets/dataset.ts";
import { BadFile } from "../datasets/source-row.ts";
import type { Columns, ColumnType, Origin, PartWriter, Row, SavedPart } from "../datasets/dataset.ts";
import { BUSY } from "../outbound/retry-after.ts";
import { isColumnName, quoted, typeOf } from "./columns.ts";
import { keyOf, originOf } from "./source-origin.ts";
import { BadPage, isStreamed, mostBytesOf, pageOf, type PageAnswer } from "./source-page.ts";
import { stepAfter, urlOf, type Place } from "./source-place.ts";
import type { Sync } from "./sync-payload.ts";
import { again, done, failed, type TaskContext, type TaskOutcome } from "./task.ts";

/** The checkpoint. */
interface Saved extends Place {
  readonly part: SavedPart;
  readonly rejected?: number;
  readonly origin?: Origin;
}

/** A run, from page to page. */
interface Reading {
  readonly asked: Sync;
  readonly context: TaskContext;
  readonly part: PartWriter;
  readonly seen: Seen;
  /** The columns of headers of CSV. */
  declared: Columns;
  place: Place;
  rows: number;
  rejected: number;
  /** Since the last checkpoint. */
  pending: { rows: number; pages: number };
  /** The origin of the rows that the dataset has now. */
  before: Awaited<ReturnType<TaskContext["datasets"]["origin"]>>;
  /** Of the rows that are read. */
  origin: Origin | undefined;
  pausedMs: number;
}

const LONGEST_STREAM_MS = 12 * MINUTE;
const MOST_PAGES = 10_000;
/** Bounds the rows and pages that are fetched again after a lost attempt. */
const ROWS_BETWEEN_CHECKPOINTS = 5_000;
const PAGES_BETWEEN_CHECKPOINTS = 20;
/** What a source asks for is waited within the attempt, if it is no longer; else the next attempt waits. */
const LONGEST_PAUSE_MS = MINUTE;
const LONGEST_PAUSES_MS = 5 * MINUTE;

export async function runSync(asked: Sync, context: TaskContext): Promise<TaskOutcome> {
  const { datasets } = context;
  const { dataset } = asked;
  const committed = await datasets.committed(dataset);
  if (committed) return done(committed);
  const reading = await begin(asked, context);
  const { part } = reading;
  try {
    return (await readPages(reading)) ?? (await commit(reading));
  } catch (error) {
    if (context.signal.aborted) await part.abort();
    context.signal.throwIfAborted();
    const page = `Page ${reading.place.pages + 1}`;
    if (error instanceof BrokenAnswer) return await later(reading, `${page} did not come: ${error.message}`);
    if (error instanceof BadPage) return await refuse(part, `${page} ${error.message}`);
    if (error instanceof BadFile || error instanceof UnreadableAnswer)
      return await refuse(part, `${page}: ${error.message}`);
    await part.abort();
    throw error;
  }
}

async function begin(asked: Sync, context: TaskContext): Promise<Reading> {
  const { datasets } = context;
  const { dataset, mode } = asked;
  const checkpointed = context.saved as Saved | undefined;
  // A cleanup may have deleted the saved parts meanwhile: then the sync starts over.
  const saved = checkpointed && (await datasets.has(dataset, checkpointed.part)) ? checkpointed : undefined;
  const { part, rejected = 0, origin, ...place }: Partial<Saved> & Place = saved ?? { pages: 0 };
  const before = saved === undefined && mode === "replace" ? await datasets.origin(dataset) : undefined;
  return {
    asked,
    context,
    part: datasets.part(dataset, part),
    seen: new Map(),
    declared: {},
    place,
    rows: part?.rows ?? 0,
    rejected,
    pending: { rows: 0, pages: 0 },
    before: before?.key === keyOf(asked) ? before : undefined,
    origin,
    pausedMs: 0,
  };
}

async function refuse(part: PartWriter, problem: string): Promise<TaskOutcome> {
  await part.discard();
  return failed(problem);
}

/** Keeps the whole pages for another attempt. */
async function later(reading: Reading, problem: string, retryAfterMs?: number): Promise<TaskOutcome> {
  try {
    if (reading.pending.pages > 0) await checkpoint(reading);
  } finally {
    await reading.part.abort();
  }
  return again(problem, retryAfterMs);
}

async function checkpoint(reading: Reading): Promise<void> {
  const { context, place, part, rejected, origin } = reading;
  const saved: Saved = {
    ...place,
    part: await part.flush(),
    ...(origin && { origin }),
    ...(rejected > 0 && { rejected }),
  };
  await context.checkpoint(saved);
  reading.pending = { rows: 0, pages: 0 };
}

/** `undefined` when all pages have been read. */
async function readPages(reading: Reading): Promise<TaskOutcome | undefined> {
  const { asked, context } = reading;
  for (;;) {
    const { place } = reading;
    if (place.pages === MOST_PAGES)
      return refuse(reading.part, `The source has more than ${MOST_PAGES} pages: ask it for larger ones`);
    const url = urlOf(asked, place);
    const answer = await ask(reading, url);
    if (answer === "end") return undefined;
    if ("kind" in answer) return answer;
    const rowsBefore = reading.rows;
    const page = await pageOf(asked, answer, place.pages === 0, {
      rejected: async (problem, detail) => {
        reading.rejected += 1;
        await context.log.warning(problem, detail);
      },
      noted: async (message, detail) => context.log.info(message, detail),
      began: (columns) => {
        reading.declared = { ...reading.declared, ...columns };
      },
    });
    const step = stepAfter(asked, place, page, url);
    if (step.kind === "repeated") {
      await context.log.warning(
        `Page ${place.pages + 1} is page ${place.pages} once more: it is left out, and taken for the end of the source`,
      );
      return undefined;
    }
    for await (const row of page.rows) await take(reading, row);
    if (asked.format === "csv" && place.pages === 0 && Object.keys(reading.declared).length === 0)
      throw new BadPage("has no header: expected one, and rows below it");
    const isOnly = place.pages === 0 && step.kind === "end";
    if (place.pages === 0 && (isOnly || asked.trustFirstPage)) reading.origin = originOf(asked, answer.headers);
    const pages = place.pages + 1;
    reading.place = step.kind === "next" ? step.place : { ...place, pages };
    // The count of pages is unknown.
    const label = `${reading.rows} rows of ${pages} pages`;
    await context.progress(pages, pages + 1, { percent: Math.min(95, pages), label });
    if (step.kind === "end") return undefined;
    const { pending } = reading;
    reading.pending = { rows: pending.rows + reading.rows - rowsBefore, pages: pending.pages + 1 };
    if (reading.pending.rows >= ROWS_BETWEEN_CHECKPOINTS || reading.pending.pages >= PAGES_BETWEEN_CHECKPOINTS)
      await checkpoint(reading);
  }
}

/** Writes a row. The label of a long page tells how far it is. */
async function take(reading: Reading, row: Row): Promise<void> {
  const problem = learn(reading.seen, row);
  if (problem !== undefined) throw new BadPage(problem);
  await reading.part.write(row);
  reading.rows += 1;
  if (reading.rows % ROWS_BETWEEN_CHECKPOINTS !== 0 || !isStreamed(reading.asked)) return;
  const percent = Math.min(95, Math.floor(reading.rows / ROWS_BETWEEN_CHECKPOINTS));
  await reading.context.progress(0, 1, { percent, label: `${reading.rows} rows` });
}

const ACCEPTED = {
  json: "application/json",
  ndjson: "application/x-ndjson, application/json;q=0.5, */*;q=0.1",
  csv: "text/csv, */*;q=0.1",
} as const;

/** Asks for a page, again after short waits that the source asks for. `end`: there is no such page. */
async function ask(reading: Reading, url: URL): Promise<PageAnswer | TaskOutcome | "end"> {
  const { asked, context, place, part } = reading;
  const which = `Page ${place.pages + 1}`;
  const conditions = place.pages === 0 ? (reading.before?.conditions ?? {}) : {};
  for (;;) {
    const answer = await context.http.open({
      method: "GET",
      url,
      headers: { accept: ACCEPTED[asked.format], ...asked.headers, ...conditions },
      mostBytes: mostBytesOf(asked),
      ...(isStreamed(asked) && { longestMs: LONGEST_STREAM_MS }),
    });
    if (answer.kind === "refused") return refuse(part, `The source was not asked: ${answer.problem}`);
    if (answer.kind === "failed") return later(reading, `${which} did not come: ${answer.problem}`);
    const { status, headers, body, retryAfterMs } = answer;
    if (status === 200) return { headers, body };
    if (status === 304 && reading.before && place.pages === 0) return unchanged(reading, reading.before);
    if (isEnd(status, asked, place)) {
      await context.log.info(`${which}: HTTP ${status}, taken for the end of the source`);
      return "end";
    }
    const problem = `${which} did not come: HTTP ${status}`;
    const isAsked = (BUSY.has(status) || status === NOT_READY) && retryAfterMs !== undefined;
    if (!isAsked && !mayHelp(status)) return refuse(part, `${problem}, ${expected(headers["location"], url)}`);
    const waitMs = isAsked ? Math.max(retryAfterMs, SECOND) : undefined;
    if (waitMs === undefined || waitMs > LONGEST_PAUSE_MS || reading.pausedMs + waitMs > LONGEST_PAUSES_MS)
      return later(reading, problem, waitMs);
    await context.log.info(`${problem}; it is asked for again in ${waitMs / SECOND} s, as the source wants`);
    reading.pausedMs += waitMs;
    await context.pause(waitMs);
  }
}

const LONGEST_LOCATION = 500;

/** A redirect is not followed, so the error says where it leads. */
function expected(location: string | readonly string[] | undefined, url: URL): string {
  if (typeof location !== "string") return "expected 200";
  const to = URL.canParse(location, url.href) ? new URL(location, url).href : location;
  return `a redirect to ${maskedAddress(to).slice(0, LONGEST_LOCATION)}: redirects are not followed; set url to what answers 200`;
}

/** Behind the last page, some sources answer 204, and some that count their pages 404. */
function isEnd(status: number, { pagination }: Sync, { pages }: Place): boolean {
  return pages > 0 && (status === 204 || (status === 404 && pagination?.by === "page"));
}

/** The source is working on its answer, as GitHub's statistics do. */
const NOT_READY = 202;

/** True if a later attempt may succeed. */
function mayHelp(status: number): boolean {
  return status >= 500 || status === NOT_READY || status === 408 || status === 425 || status === 429;
}

async function unchanged(
  { asked: { dataset }, context }: Reading,
  { rows }: NonNullable<Reading["before"]>,
): Promise<TaskOutcome> {
  await context.log.info(`The source has not changed: dataset ${dataset} stays as it is`);
  await context.progress(1, 1);
  return done({ dataset, rows, pages: 0, unchanged: true });
}

async function commit(reading: Reading): Promise<TaskOutcome> {
  const { asked, context, part, seen, rows, place, rejected } = reading;
  const { dataset, mode, format, csv } = asked;
  if (rejected > 0 && rows === 0)
    return refuse(part, `None of the ${rejected} rows could be taken; the log says of each what was expected`);
  for await (const earlier of part.earlier()) for (const row of earlier) learn(seen, row);
  const result = { dataset, rows, pages: place.pages, ...(format === "csv" && { rejected }) };
  const found: Columns = Object.fromEntries([...seen].map(([column, type]) => [column, type ?? "any"]));
  const columns = { ...found, ...csv?.columns, ...reading.declared };
  const origin = mode === "replace" ? reading.origin : undefined;
  const committed = await part.commit({ mode, columns, otherType: "widen", origin, result });
  if (committed.kind === "refused") return refuse(part, `Dataset ${dataset} can't take the rows: ${committed.problem}`);
  await context.progress(place.pages, place.pages);
  return done(committed.result);
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
