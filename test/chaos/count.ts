import {
  DescribeStreamCommand,
  DynamoDBStreamsClient,
  GetRecordsCommand,
  GetShardIteratorCommand,
  ListStreamsCommand,
} from "@aws-sdk/client-dynamodb-streams";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client, Shown } from "./clients.ts";
import type { ChaosTarget } from "./target.ts";
import { importProblem, type Accepted } from "./work.ts";
import { FINAL_STATUSES } from "../../lib/job/status.ts";

// The outcome of every job: by the API, by the table's stream, by the deliveries to the target, and by its result.

export interface Count {
  readonly accepted: number;
  /** The accepted ones by what was asked for. */
  readonly kinds: ReadonlyMap<string, number>;
  /** Jobs in the lists, callbacks aside. */
  readonly stored: number;
  readonly callbacks: number;
  readonly finished: Readonly<Record<string, number>>;
  /** Each with its problem. */
  readonly lost: readonly string[];
  readonly endedTwice: readonly string[];
  /** The same attempt of a job came more than once. */
  readonly sameAttempt: number;
  /** A job came again after an answer of 200, which its worker may not have received. */
  readonly afterSuccess: number;
  readonly attempts: number;
  readonly attemptsLost: number;
}

const LOOK_AGAIN_MS = 250;
const AT_ONCE = 16;

const isFinal = (status: string | undefined) => FINAL_STATUSES.some((final) => final === status);

type Settling = Pick<Accepted, "id" | "by" | "calledBack">;

/** Reads jobs until all have ended and have submitted what they owe, or service time is over. */
export async function settled(
  jobs: readonly Settling[],
  withinMs: number,
  onLook: (left: number) => void,
): Promise<Map<string, Shown>> {
  const seen = new Map<string, Shown>();
  const now = async () => (await jobs[0]?.by.now()) ?? Infinity;
  const last = (await now()) + withinMs;
  const isLeft = ({ id, calledBack }: Settling) => {
    const job = seen.get(id);
    return !isFinal(job?.status) || (calledBack && job?.followUpJobIds?.length === 0);
  };
  for (let left = [...jobs]; ; left = left.filter(isLeft)) {
    onLook(left.length);
    if (left.length === 0 || (await now()) > last) return seen;
    if (left.length < jobs.length) await sleep(LOOK_AGAIN_MS);
    const toRead = [...left];
    const reader = async () => {
      for (let next = toRead.pop(); next; next = toRead.pop()) {
        const job = await next.by.read(next.id);
        if (job) seen.set(next.id, job);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, reader));
  }
}

/** What is wrong with the results of jobs that have ended well, each with its job. */
export async function resultProblems(
  apps: readonly Client[],
  accepted: readonly Accepted[],
  seen: ReadonlyMap<string, Shown>,
): Promise<string[]> {
  const wrong: string[] = [];
  const statusOf = ({ id }: Accepted) => seen.get(id)?.status;
  const toCheck = accepted.filter((job) => job.check && statusOf(job) === "SUCCEEDED");
  const checker = async () => {
    for (let next = toCheck.pop(); next; next = toCheck.pop()) {
      const problem = await next.check?.();
      if (problem !== undefined) wrong.push(`${next.id} ${problem}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, checker));
  for (const by of apps) {
    const imports = accepted.filter((job) => job.by === by && job.rows !== undefined);
    const problem = await importProblem(
      by,
      imports.map((job) => ({ rows: job.rows ?? 0, status: statusOf(job) })),
    );
    if (problem !== undefined) wrong.push(problem);
  }
  return wrong;
}

/** A job that was accepted, as far as it is counted. */
type Counted = Pick<Accepted, "id" | "kind" | "ends" | "calledBack">;

export function count(
  accepted: readonly Counted[],
  seen: ReadonlyMap<string, Shown>,
  listed: readonly Shown[],
  endings: ReadonlyMap<string, number>,
  { received, callbacks }: Pick<ChaosTarget, "received" | "callbacks">,
): Count {
  const inLists = new Set(listed.map(({ id }) => id));
  const jobs = [...seen.values()];
  const attempts = jobs.flatMap((job) => job.attempts ?? []);
  const repeats = [...received.values()].map((deliveries) => {
    const numbers = new Set(deliveries.map(({ attempt }) => attempt));
    const heard = deliveries.findIndex(({ status }) => status === 200);
    return { same: deliveries.length - numbers.size, after: heard < 0 ? 0 : deliveries.length - 1 - heard };
  });
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const lost = accepted.flatMap((one) => {
    const { id } = one;
    const wrong = inLists.has(id) ? whatIsWrong(one, seen.get(id), received.get(id) ?? []) : "is in no list";
    return wrong === undefined ? [] : [`${id} ${wrong}`];
  });
  const calls = listed.filter(({ parentJobId }) => parentJobId !== undefined);
  const unfinishedCalls = calls.filter(({ status }) => !isFinal(status)).map(({ id, status }) => `${id} is ${status}`);
  const often = [...endings].filter(([, times]) => times > 1).map(([id, times]) => `${id} has ended ${times} times`);
  const unseen = jobs.filter(({ id, status }) => isFinal(status) && !endings.has(id));
  const calledTwice = [...callbacks].filter(([, by]) => by.size > 1).map(([id]) => `${id} has called back twice`);
  return {
    accepted: new Set(accepted.map(({ id }) => id)).size,
    kinds: new Map([...Map.groupBy(accepted, ({ kind }) => kind)].map(([kind, some]) => [kind, some.length])),
    stored: listed.length - calls.length,
    callbacks: calls.length,
    finished: Object.fromEntries(
      FINAL_STATUSES.map((status) => [status, jobs.filter((job) => job.status === status).length]),
    ),
    lost: [...lost, ...unfinishedCalls],
    endedTwice: [...often, ...calledTwice, ...unseen.map(({ id }) => `${id} has an end that the stream does not show`)],
    sameAttempt: sum(repeats.map(({ same }) => same)),
    afterSuccess: sum(repeats.map(({ after }) => after)),
    attempts: attempts.length,
    attemptsLost: attempts.filter(({ outcome }) => outcome === "lost").length,
  };
}

function whatIsWrong(
  { kind, ends, calledBack }: Counted,
  job: Shown | undefined,
  received: readonly { readonly status?: number }[],
): string | undefined {
  if (!job) return "cannot be read";
  const { status, retryCount, maxRetries, followUpJobIds } = job;
  if (!isFinal(status)) return `is ${status}`;
  if (calledBack && followUpJobIds?.length !== 1) return "has ended without its callback";
  if (ends === "any") return undefined;
  if (status === ends) {
    return kind !== "webhook" || received.some((each) => each.status === 200) ? undefined : "never came";
  }
  return status === "DEAD" && retryCount >= maxRetries ? undefined : `is ${status}: ${job.lastError}`;
}

/** How often each job has reached or left a final status, by the table's stream, which has every write. */
export async function endingsOf(endpoint: string): Promise<Map<string, number>> {
  const client = new DynamoDBStreamsClient({ endpoint });
  const endings = new Map<string, number>();
  const { Streams = [] } = await client.send(new ListStreamsCommand({}));
  for (const { StreamArn } of Streams) {
    const { StreamDescription } = await client.send(new DescribeStreamCommand({ StreamArn }));
    for (const { ShardId } of StreamDescription?.Shards ?? []) {
      const from = { StreamArn, ShardId, ShardIteratorType: "TRIM_HORIZON" } as const;
      let { ShardIterator: next } = await client.send(new GetShardIteratorCommand(from));
      while (next) {
        const { Records = [], NextShardIterator } = await client.send(new GetRecordsCommand({ ShardIterator: next }));
        for (const { dynamodb } of Records) {
          if (dynamodb?.Keys?.["sk"]?.S !== "J") continue;
          const [before, after] = [dynamodb.OldImage?.["status"]?.S, dynamodb.NewImage?.["status"]?.S];
          const id = dynamodb.Keys["pk"]?.S?.slice(2) ?? "";
          // Leaving a final status counts too, since it must not happen.
          if (before !== after && (isFinal(before) || isFinal(after))) endings.set(id, (endings.get(id) ?? 0) + 1);
        }
        next = Records.length > 0 ? NextShardIterator : undefined;
      }
    }
  }
  client.destroy();
  return endings;
}
