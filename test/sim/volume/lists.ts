import { PutItemCommand } from "@aws-sdk/client-dynamodb";
import { marshall, unmarshall } from "@aws-sdk/util-dynamodb";
import type { Caller } from "../../../lib/api/http/auth.ts";
import type { Route } from "../../../lib/api/http/http.ts";
import { listFileJobs } from "../../../lib/api/tasks/files.ts";
import { listTypedJobs } from "../../../lib/api/tasks/typed.ts";
import { listAppJobs } from "../../../lib/api/unified/jobs.ts";
import type { Job } from "../../../lib/job/job.ts";
import { jobOf, toItem } from "../../../lib/store/job-item.ts";
import { TABLE } from "../cloud.ts";
import type { Item } from "../models/dynamodb-value.ts";
import type { Invoke } from "../process.ts";
import type { VolumeCloud, Watch } from "./cloud.ts";
import { answerTo } from "./people.ts";

// Lists, asked for by their endpoints, page after page to the end, and compared with the table.

const BY = "api";

/** What the pages cost. */
export interface PageCost {
  /** BatchGets. */
  readonly batches: number;
  /** The most queries at the same time. */
  readonly queries: number;
}

/** Counts what the API's function calls, between two resets. */
export function createPageCosts() {
  let [batches, queries, running] = [0, 0, 0];
  const onCall: Watch["onCall"] = (by, { constructor: { name } }, stage) => {
    if (!by.name.startsWith(BY)) return;
    if (name === "BatchGetItemCommand" && stage === "begins") batches += 1;
    if (name === "QueryCommand") running += stage === "begins" ? 1 : -1;
    queries = Math.max(queries, running);
  };
  return {
    onCall,
    /** The cost since the last time. */
    take: (): PageCost => {
      const cost = { batches, queries };
      [batches, queries] = [0, 0];
      return cost;
    },
  };
}

/** A list as somebody asks for it. */
export interface AskedList {
  readonly caller: Caller;
  readonly query: Readonly<Record<string, string | number | readonly string[]>>;
  /** The endpoint: of the unified API, with cursors, or of a dialect, with numbered pages. */
  readonly of: "unified" | "typed" | "files";
  /** The jobs that it is to show, by the table. */
  readonly isOf: (job: Job) => boolean;
  /** Its first and its last page alone. */
  readonly isOnlyEnds?: boolean;
}

interface Total {
  readonly total: number;
  readonly isExact: boolean;
}

export interface Walked {
  /** The jobs of all pages, as they came. */
  readonly ids: readonly string[];
  /** What each page said of the whole list. */
  readonly totals: readonly Total[];
  readonly costs: readonly PageCost[];
}

interface Parts {
  readonly invoke: Invoke;
  readonly costs: ReturnType<typeof createPageCosts>;
}

const NUMBERED = { typed: listTypedJobs, files: listFileJobs };
/** More than there are: a list without an end is a fault. */
const MOST_PAGES = 2_000;

export async function walk(asked: AskedList, parts: Parts): Promise<Walked> {
  return asked.of === "unified" ? byCursor(asked, parts) : byNumber(asked, NUMBERED[asked.of], parts);
}

async function byCursor({ caller, query }: AskedList, parts: Parts): Promise<Walked> {
  const ids: string[] = [];
  const costs: PageCost[] = [];
  let cursor: string | undefined;
  do {
    const asked = { ...query, ...(cursor !== undefined && { cursor }) };
    const { data } = await answerTo<{ data: CursorPage }>(listAppJobs, { caller, query: asked }, parts.invoke);
    ids.push(...data.items.map(({ id }) => id));
    costs.push(parts.costs.take());
    cursor = data.nextCursor ?? undefined;
  } while (cursor !== undefined && costs.length < MOST_PAGES);
  return { ids, totals: [], costs };
}

interface CursorPage {
  readonly items: readonly { readonly id: string }[];
  readonly nextCursor: string | null;
}

interface NumberedPage {
  readonly jobs: readonly { readonly id: string }[];
  readonly total: number;
  readonly totalIsExact: boolean;
  readonly totalPages: number;
}

async function byNumber({ caller, query, isOnlyEnds }: AskedList, route: Route, parts: Parts): Promise<Walked> {
  const pages: NumberedPage[] = [];
  const costs: PageCost[] = [];
  let page = 1;
  do {
    const shown = await answerTo<NumberedPage>(route, { caller, query: { ...query, page } }, parts.invoke);
    costs.push(parts.costs.take());
    pages.push(shown);
    page = isOnlyEnds ? Math.max(shown.totalPages, page + 1) : page + 1;
  } while (page <= (pages[0]?.totalPages ?? 0));
  return {
    ids: pages.flatMap(({ jobs }) => jobs.map(({ id }) => id)),
    totals: pages.map(({ total, totalIsExact }) => ({ total, isExact: totalIsExact })),
    costs,
  };
}

/** The jobs in the table. */
export function jobsIn(cloud: VolumeCloud): Job[] {
  return itemsOfJobs(cloud).map((item) => jobOf(unmarshall(item)));
}

/** The statuses of all jobs, in one text. */
export function statusesIn(cloud: VolumeCloud): string {
  return itemsOfJobs(cloud)
    .map(({ pk, status }) => `${pk?.S} ${status?.S}`)
    .join();
}

function itemsOfJobs({ dynamodb }: VolumeCloud): Item[] {
  return dynamodb.items().filter(({ pk, sk }) => pk?.S?.startsWith("J#") && sk?.S === "J");
}

/** Writes jobs into the table as they would stand there in time. */
export async function storeJobs(jobs: readonly Job[], { dynamodb }: VolumeCloud): Promise<void> {
  for (const job of jobs) {
    const Item = marshall(toItem(job), { removeUndefinedValues: true });
    await dynamodb.send(new PutItemCommand({ TableName: TABLE, Item }));
  }
}
