import { HOUR, SECOND, MINUTE, createClock, iso } from "../lib/clock.ts";
import { createEngine } from "../lib/engine/engine.ts";
import { executor } from "../lib/executors/by-type.ts";
import { jobIdForKey } from "../lib/job/accept.ts";
import type { Job } from "../lib/job/job.ts";
import type { Status } from "../lib/job/status.ts";
import { createCounters } from "../lib/store/counters.ts";
import { listJobs } from "../lib/store/job-list.ts";
import type { Position } from "../lib/store/merge.ts";
import { createStats } from "../lib/store/stats.ts";
import { createTable } from "../lib/store/table.ts";
import type { Template } from "../local/template.ts";
import { BUCKET, START, TABLE } from "../test/sim/cloud.ts";
import { clientOf, type Command } from "../test/sim/models/client.ts";
import { createDynamoDb } from "../test/sim/models/dynamodb.ts";
import type { Service } from "../test/sim/models/faults.ts";
import { createS3 } from "../test/sim/models/s3.ts";
import { createSqs } from "../test/sim/models/sqs.ts";
import { createSchedules } from "../test/sim/models/scheduler.ts";
import { serviceOn } from "../test/sim/service.ts";
import { webhook } from "../test/sim/volume/world.ts";
import { BUSY, DEAD, DUE, KEYED, PAUSED, jobsOfADay, keyOf, putJobs, usualId } from "./stored.ts";

// What the service does with many stored jobs, on models of the services: how long it takes, and what it reads.

/** The cost of one measure with one number of stored jobs. `items`: those that its reads looked at. */
export interface Cost {
  /** Processor time. The models answer at once, so there is no other. */
  readonly ms: number;
  /** Of the table, writes as well. */
  readonly calls: number;
  readonly items: number;
}

/** What one round cost, and how long it took, with what the models took. */
interface Round extends Cost {
  readonly wallMs: number;
}

type Stored = Awaited<ReturnType<typeof createStored>>;

interface Measure {
  readonly name: string;
  /** How often it is done in a round. */
  readonly times: number;
  readonly prepare?: (stored: Stored) => Promise<void>;
  /** `n` counts all that were done. Throws if the answer is not what it is to be. */
  readonly run: (stored: Stored, n: number) => Promise<unknown>;
}

const NOW = START;
const PAGE = 25;
const MOST_WARM_UP = 10;
/** Longer than the service remembers settings, so that every round reads them. */
const BETWEEN_ROUNDS = 11 * SECOND;

export const MEASURES: readonly Measure[] = [
  {
    name: `sweep, ${DUE} due`,
    times: 1,
    prepare: async (stored) => stored.makeDue(),
    run: async ({ engine }) => expect(DUE, (await engine.sweep(() => MINUTE)).sent, "messages of the sweep"),
  },
  {
    name: `list of all ${DEAD} DEAD`,
    times: 100,
    run: async (stored) => expect(DEAD, await listed(stored, "DEAD", Infinity), "DEAD jobs"),
  },
  { name: "a page of RUNNING", times: 50, run: async (stored) => listed(stored, "RUNNING", 1) },
  {
    name: "job by its id",
    times: 1_500,
    run: async ({ store, size }, n) => expect(true, (await store.get(usualId(size, n))) !== undefined, "job"),
  },
  {
    name: "job by its key",
    times: 1_500,
    run: async ({ store }, n) =>
      expect(true, (await store.get(jobIdForKey(BUSY, keyOf(n % KEYED)))) !== undefined, "job"),
  },
  {
    name: "a key that is posted again",
    times: 150,
    run: async ({ engine }, n) => {
      const { message, ...request } = webhook(BUSY);
      const idempotencyKey = keyOf(n % KEYED);
      const keyed = { ...message, metadata: { ...message.metadata, idempotencyKey } };
      const submitted = await engine.submit({ ...request, message: keyed });
      const id = submitted.kind === "replayed" ? submitted.job.id : submitted.kind;
      return expect(jobIdForKey(BUSY, idempotencyKey), id, "replayed job");
    },
  },
  {
    name: "counts of an app",
    times: 50,
    run: async ({ stats, store }) => Promise.all([stats.of(BUSY), store.oldestDue()]),
  },
];

function expect<T>(wanted: T, came: T, what: string): void {
  if (came !== wanted) throw new Error(`${what}: expected ${String(wanted)}, came ${String(came)}`);
}

/** The number of jobs that the first pages of a list show. */
async function listed({ store }: Stored, status: Status, pages: number): Promise<number> {
  let [found, position]: [number, Position | undefined] = [0, undefined];
  for (let page = 0; page < pages; page += 1) {
    const { jobs, next } = await listJobs(
      store,
      { appId: BUSY, status: [status], created: {} },
      ["rest-api"],
      PAGE,
      position,
    );
    found += jobs.length;
    position = next;
    if (!next) break;
  }
  return found;
}

/** The service on models that hold so many jobs. */
export async function createStored(template: Template, size: number, say: (count: number) => void) {
  let realNow = NOW;
  const clock = { ...createClock(), now: () => NOW, realNow: () => realNow };
  const used = { calls: 0, items: 0, modelMs: 0 };
  const properties = template.resources["JobsTable"]?.Properties ?? {};
  const dynamodb = createDynamoDb({ now: clock.now, table: TABLE, properties });
  const sqs = createSqs({ now: clock.now, resources: template.resources });
  const models = { sqs, s3: createS3({ bucket: BUCKET }), scheduler: createSchedules({ now: clock.now }) };
  const counted = async (command: Command) => {
    used.calls += 1;
    const began = performance.now();
    const answering = dynamodb.send(command);
    // The model has done its work when it returns. What it takes is not the service's: the more it holds, the more of
    // it is far from the processor.
    used.modelMs += performance.now() - began;
    const answer = await answering;
    used.items += itemsRead(command, answer);
    return answer;
  };
  const client = (service: Service) => clientOf(service === "dynamodb" ? counted : models[service].send);
  const table = createTable({ name: TABLE, clock, client: client("dynamodb") });
  const { plain, apps } = serviceOn({
    clock,
    client,
    urlOf: sqs.urlOf,
    executorOf: () => executor,
    log: () => {},
    retention: 0,
  });
  const stats = createStats({ counters: createCounters({ table }), clock });
  await putCounts(createCounters({ table }), size);
  await apps.change(await apps.read(PAUSED), PAUSED, { ...(await apps.read(PAUSED)), paused: true }, "bench");
  const due: Job[] = [];
  await putJobs(dynamodb.send, TABLE, noting(jobsOfADay(size, NOW), due), say);

  async function makeDue(): Promise<void> {
    sqs.forget("JobsFairQueue", sqs.messages("JobsFairQueue"));
    await putJobs(dynamodb.send, TABLE, due);
    await plain.backlogs.announce({ appId: PAUSED, backlog: "app" });
    await plain.backlogs.wake({ appId: PAUSED, backlog: "app" });
  }

  const pass = () => void (realNow += BETWEEN_ROUNDS);
  return { size, engine: createEngine(plain), store: plain.store, stats, makeDue, used, pass };
}

function* noting(jobs: Iterable<Job>, due: Job[]): Generator<Job> {
  for (const job of jobs) {
    if (job.backlog === undefined && job.status === "PENDING" && (job.dueAt ?? Infinity) <= NOW) due.push(job);
    yield job;
  }
}

/** The items that a call looked at, if it was a read. */
function itemsRead({ constructor: { name }, input }: Command, answer: object): number {
  const { RequestItems = {} } = input as { RequestItems?: Record<string, { Keys?: readonly unknown[] }> };
  if (name === "QueryCommand") return (answer as { ScannedCount: number }).ScannedCount;
  if (name === "GetItemCommand") return 1;
  if (name !== "BatchGetItemCommand") return 0;
  return Object.values(RequestItems).reduce((sum, { Keys = [] }) => sum + Keys.length, 0);
}

/** The counts of a day, as so many jobs leave them. */
async function putCounts(counters: ReturnType<typeof createCounters>, size: number): Promise<void> {
  const each = 5 * MINUTE;
  const count = Math.ceil(size / ((24 * HOUR) / each));
  for (let at = NOW - 24 * HOUR; at < NOW; at += each) {
    const names = ["SUCCEEDED", "PENDING", "DEAD", "RUNNING"].map((status) => `status:rest-api:${status}`);
    const increments = new Map([...names, "retries", "latency:35"].map((name) => [name, count]));
    await counters.add(`STATS#${BUSY}`, iso(at), increments, NOW + 24 * HOUR);
  }
}

/** Measures all sizes in turn, round by round, so that what else the machine does meets all of them. */
export async function measureFlat(
  all: readonly Stored[],
  rounds: number,
  say: (text: string) => void,
): Promise<ReadonlyMap<string, readonly Cost[]>> {
  const costs = new Map<string, readonly Cost[]>();
  const warmUp = Math.min(rounds - 1, MOST_WARM_UP);
  for (const measure of MEASURES) {
    say(measure.name);
    const taken = all.map((): Round[] => []);
    for (let round = -warmUp; round < rounds; round += 1) {
      // Garbage is collected after so many allocations. In the same order each time, that might always meet the same size.
      const first = (round + warmUp) % all.length;
      const order = [...all.entries()];
      for (const [at, stored] of [...order.slice(first), ...order.slice(0, first)]) {
        const cost = await once(stored, measure, round + warmUp);
        if (round >= 0) taken[at]?.push(cost);
      }
    }
    costs.set(measure.name, taken.map(usual));
  }
  return costs;
}

/**
 * The mean, of time that of the half of the rounds that ended sooner: in others the garbage of the models is collected,
 * which hold gigabytes. Not the median: some systems count processor time in steps of 4 ms.
 */
function usual(all: readonly Round[]): Cost {
  const mean = (of: keyof Cost, from: readonly Cost[]) => from.reduce((sum, cost) => sum + cost[of], 0) / from.length;
  const quick = all.toSorted((a, b) => a.wallMs - b.wallMs).slice(0, Math.ceil(all.length / 2));
  return { ms: mean("ms", quick), calls: mean("calls", all), items: mean("items", all) };
}

async function once(stored: Stored, { times, prepare, run }: Measure, round: number): Promise<Round> {
  stored.pass();
  await prepare?.(stored);
  const before = { ...stored.used };
  const beganAt = performance.now();
  const began = process.threadCpuUsage();
  for (let n = 0; n < times; n += 1) await run(stored, round * times + n);
  const { user, system } = process.threadCpuUsage(began);
  const wallMs = performance.now() - beganAt;
  const { calls, items, modelMs } = stored.used;
  const ms = Math.max((user + system) / 1_000 - (modelMs - before.modelMs), 0) / times;
  return { ms, wallMs, calls: (calls - before.calls) / times, items: (items - before.items) / times };
}
