import { DynamoDBClient, QueryCommand, UpdateItemCommand, type AttributeValue } from "@aws-sdk/client-dynamodb";
import { marshall, unmarshall } from "@aws-sdk/util-dynamodb";
import { CLIENT_DEFAULTS, askOf, lean } from "./aws.ts";
import { DAY, HOUR, MINUTE, SECOND, iso, type Clock, type EpochMs } from "./clock.ts";
import { jobOf, type Item } from "./job-item.ts";
import { STATUSES, isSchedule, type Job, type Status } from "./job.ts";

// Counts of an app's jobs, from the table's stream: no job's own path writes them. A stream delivers at
// least once, so they are approximate. A job counts where it was created, as what it is by now.

/** A job's item before and after a change of the table, as the stream shows it. */
export interface Change {
  readonly before: Image | undefined;
  readonly after: Image | undefined;
}

/** An item in DynamoDB's JSON. */
type Image = Readonly<Record<string, object>>;

/** Jobs created within a window, by what they are now. */
export interface WindowStats {
  readonly jobs: number;
  readonly byStatus: Record<Status, number>;
  readonly byExecutionType: Record<string, number>;
  /** Of those that have ended, cancelled ones aside; null if none has. */
  readonly successRate: number | null;
  readonly averageRetryCount: number | null;
  /** From accepted to succeeded, schedules aside; exact to a fifth. */
  readonly latencyMs: { readonly p50: number | null; readonly p95: number | null };
}

/** "Last hour" is up to this much more. */
const BUCKET = 5 * MINUTE;
const KEPT = 2 * DAY;
/** Latencies are told apart by a factor of 2^(1/4), 19 %. */
const STEPS_PER_DOUBLING = 4;
const TABLE = "The jobs table";

/** How much each counter of a bucket grows: `status:rest-api:DEAD`, `retries`, `latency:44`. */
type Increments = Map<string, number>;

export function createStats(parts: { table: string; clock: Clock; client?: DynamoDBClient }) {
  const { table, clock } = parts;
  let client = parts.client;
  // Made when first used: most functions never count.
  const dynamodb = () => (client ??= lean(new DynamoDBClient(CLIENT_DEFAULTS)));

  /** Counts changes of jobs: one write for each app and five minutes in which some of them were created. */
  async function count(changes: readonly Change[]): Promise<void> {
    const buckets = incrementsOf(changes, clock.now() - DAY - BUCKET);
    await Promise.all([...buckets].map(async ([key, increments]) => add(key, increments)));
  }

  async function add(key: string, increments: Increments): Promise<void> {
    const [appId = "", start = ""] = key.split("/");
    const counters = [...increments].filter(([, by]) => by !== 0);
    if (counters.length === 0) return;
    const command = new UpdateItemCommand({
      TableName: table,
      Key: marshall({ pk: `STATS#${appId}`, sk: iso(Number(start)) }),
      UpdateExpression: `SET expiresAt = :expiry ADD ${counters.map((_, at) => `#c${at} :c${at}`).join(", ")}`,
      ExpressionAttributeNames: Object.fromEntries(counters.map(([name], at) => [`#c${at}`, name])),
      ExpressionAttributeValues: marshall({
        ":expiry": Math.ceil((Number(start) + KEPT) / SECOND),
        ...Object.fromEntries(counters.map(([, by], at) => [`:c${at}`, by])),
      }),
    });
    await askOf(TABLE, dynamodb().send(command));
  }

  /** What has become of an app's jobs of the last hour and day. Reads one small item for every five minutes. */
  async function of(appId: string): Promise<{ lastHour: WindowStats; lastDay: WindowStats }> {
    const now = clock.now();
    const buckets = await bucketsSince(appId, now - DAY - BUCKET);
    const lastHour = buckets.filter(({ start }) => start > now - HOUR - BUCKET);
    return { lastHour: summed(lastHour), lastDay: summed(buckets) };
  }

  async function bucketsSince(appId: string, since: EpochMs): Promise<{ start: EpochMs; counters: Item }[]> {
    const found: Item[] = [];
    let ExclusiveStartKey: Record<string, AttributeValue> | undefined;
    do {
      const query = new QueryCommand({
        TableName: table,
        KeyConditionExpression: "pk = :pk AND sk > :since",
        ExpressionAttributeValues: marshall({ ":pk": `STATS#${appId}`, ":since": iso(since) }),
        ...(ExclusiveStartKey && { ExclusiveStartKey }),
      });
      const page = await askOf(TABLE, dynamodb().send(query));
      found.push(...(page.Items ?? []).map((item): Item => unmarshall(item)));
      ExclusiveStartKey = page.LastEvaluatedKey;
    } while (ExclusiveStartKey);
    // What is not a counter of theirs, such as the expiry date, `summed` knows nothing of.
    return found.map((counters) => ({ start: Date.parse(String(counters["sk"])), counters }));
  }

  return { count, of };
}

/** What changes of jobs created since a time do to the counters, by `app/start of the five minutes`. */
export function incrementsOf(changes: readonly Change[], since: EpochMs): Map<string, Increments> {
  const buckets = new Map<string, Increments>();
  const add = (job: Job, sign: 1 | -1) => {
    if (job.createdAt < since) return;
    const key = `${job.appId}/${Math.floor(job.createdAt / BUCKET) * BUCKET}`;
    const bucket = buckets.get(key) ?? new Map<string, number>();
    buckets.set(key, bucket);
    for (const [name, by] of countersOf(job)) bucket.set(name, (bucket.get(name) ?? 0) + sign * by);
  };
  for (const { before, after } of changes) {
    if (before) add(jobIn(before), -1);
    if (after) add(jobIn(after), 1);
  }
  return buckets;
}

function jobIn(image: Image): Job {
  return jobOf(unmarshall(image as Record<string, AttributeValue>));
}

/** What one job as it stands counts for. */
function countersOf(job: Job): [name: string, by: number][] {
  const latency = job.status === "SUCCEEDED" && !isSchedule(job);
  return [
    [`status:${job.executionType}:${job.status}`, 1],
    ["retries", job.retryCount],
    ...(latency ? [[`latency:${stepOf(job.updatedAt - job.createdAt)}`, 1] as [string, number]] : []),
  ];
}

function stepOf(ms: number): number {
  return Math.max(0, Math.ceil(Math.log2(Math.max(ms, 1)) * STEPS_PER_DOUBLING));
}

function summed(buckets: readonly { counters: Item }[]): WindowStats {
  const total = new Map<string, number>();
  for (const { counters } of buckets) {
    for (const [name, count] of Object.entries(counters)) total.set(name, (total.get(name) ?? 0) + Number(count));
  }
  const byStatus = Object.fromEntries(STATUSES.map((status) => [status, 0])) as Record<Status, number>;
  const byExecutionType: Record<string, number> = {};
  const steps: [step: number, count: number][] = [];
  for (const [name, counted] of total) {
    // What was counted twice, or not at all, must not show as less than nothing.
    const count = Math.max(counted, 0);
    const [kind, first = "", status = ""] = name.split(":");
    if (kind === "latency") steps.push([Number(first), count]);
    if (kind !== "status") continue;
    byStatus[status as Status] += count;
    byExecutionType[first] = (byExecutionType[first] ?? 0) + count;
  }
  const jobs = Object.values(byStatus).reduce((sum, count) => sum + count, 0);
  const ended = byStatus.SUCCEEDED + byStatus.FAILED + byStatus.DEAD;
  return {
    jobs,
    byStatus,
    byExecutionType,
    successRate: ended > 0 ? rounded(byStatus.SUCCEEDED / ended) : null,
    averageRetryCount: jobs > 0 ? rounded(Math.max(total.get("retries") ?? 0, 0) / jobs) : null,
    latencyMs: { p50: percentile(steps, 0.5), p95: percentile(steps, 0.95) },
  };
}

function rounded(ratio: number): number {
  return Math.round(ratio * 10_000) / 10_000;
}

/** The upper end of the step in which a percentile lies, in ms. */
function percentile(steps: readonly [step: number, count: number][], share: number): number | null {
  const sorted = steps.toSorted(([a], [b]) => a - b);
  let left = share * sorted.reduce((sum, [, count]) => sum + count, 0);
  if (left === 0) return null;
  for (const [step, count] of sorted) {
    left -= count;
    if (left <= 0) return Math.round(2 ** (step / STEPS_PER_DOUBLING));
  }
  return null;
}
