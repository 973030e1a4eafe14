import { createHash } from "node:crypto";
import { iso } from "../lib/clock.ts";
import { KB } from "../test/support/aws/rule.ts";
import { createService, type Driven, type Service } from "./cost-service.ts";
import { ORDER } from "./workload.ts";

// The ways of a job that `npm run bench:cost` drives.

export const MODES = ["both", "db", "sqs"] as const;
export const BODIES = { "1 KB": 1, "10 KB": 10, "100 KB": 100 } as const;
export const RETRIES = [0, 2] as const;

/** Jobs that are driven together, and those of a path on which they share calls. */
const JOBS = 2;
const SHARING = 5;

/** Rounds of jobs before processor time is measured: a container that takes 100 jobs a second has seen as many soon. */
const WARM_UP = 1_000;
/** Processor time is the least of some passes over all paths, since a pass beside other work takes more. */
const PASSES = 5;

/** One way of a job, or what a deployment does without any. */
export interface Path {
  readonly name: string;
  /** Takes jobs from their acceptance to their end. Returns the ids of those that are stored. */
  readonly run: (service: Service, jobs: number) => Promise<readonly string[]>;
  /** It leaves jobs behind that a second round would meet. */
  readonly isOnce?: true;
  /** Driven together. Of jobs that fail, one: how often several meet at their destination's item depends on chance. */
  readonly jobs?: number;
}

export const webhookPath = (mode: string, body: string, retries: number): string =>
  `${mode}, ${body}${retries > 0 ? `, ${retries} retries` : ""}`;

const WEBHOOKS: readonly Path[] = MODES.flatMap((mode) =>
  Object.entries(BODIES).flatMap(([body, kb]) =>
    RETRIES.map((retries) => ({
      name: webhookPath(mode, body, retries),
      run: async (service: Service, jobs: number) =>
        service.webhooks(jobs, { mode, body: bodyOf(kb), path: `/failures/${retries}` }),
      jobs: retries > 0 ? 1 : mode === "db" ? SHARING : JOBS,
    })),
  ),
);

export const PATHS: readonly Path[] = [
  ...WEBHOOKS,
  {
    name: "both, 1 KB, posted in batches of 5",
    run: async (service, jobs) => service.batch(jobs),
    jobs: SHARING,
  },
  {
    name: "both, 1 KB, in a lane",
    run: async (service, jobs) => service.webhooks(jobs, { metadata: { messageGroupId: "orders" } }),
  },
  {
    name: "both, 1 KB, with a follow-up",
    run: async (service, jobs) => service.webhooks(jobs, { isFollowed: true }),
  },
  {
    name: "both, 1 KB, member of a group",
    run: async (service, jobs) => service.members(jobs),
    isOnce: true,
  },
  { name: "task", run: async (service, jobs) => service.posted(jobs, "taskApi", "POST /v1/jobs", TASK) },
  { name: "PDF, long", run: async (service, jobs) => service.posted(jobs, "pdfApi", "POST /longjob", LONG) },
  { name: "PDF, quick", run: async (service, jobs) => service.posted(jobs, "pdfApi", "POST /quickjob", DOCUMENT) },
  { name: "schedule, once", run: async (service, jobs) => service.schedules(jobs) },
  {
    name: "schedule, each run of a recurring one",
    run: async (service, jobs) => service.recurring(jobs),
    isOnce: true,
    jobs: SHARING,
  },
];

const TASK = { jobType: "example", payload: { words: ["job", "attempt"] } };
const DOCUMENT = { input_type: "markdown", markdown: "# Invoice 4711\n\n| what | price |\n|-|-|\n| lamp | 89 |\n" };
const LONG = { ...DOCUMENT, webhook_url: null };

/** JSON of a number of KB: one order, or a list of orders that differ. */
export function bodyOf(kb: number): string {
  if (kb === 1) return ORDER;
  const orders: object[] = [];
  while (JSON.stringify({ orders }).length < kb * KB - ORDER.length / 2) orders.push(orderOf(orders.length));
  return JSON.stringify({ orders });
}

const NAMES = ["Marta Lindqvist", "Jonas Weber", "Aiko Tanaka", "Lucía Pérez", "Noah Smith", "Zofia Nowak"];
const GOODS = ["Desk lamp, oak", "LED bulb E27", "USB-C cable", "Notebook A5", "Wool blanket", "Water bottle, 0.7 l"];

/** What a shop's orders have in common stays, what differs between them follows from `n`. */
function orderOf(n: number): object {
  const hash = createHash("sha256").update(String(n)).digest();
  const text = hash.toString("base64url").toUpperCase();
  const name = NAMES[hash.readUInt8(0) % NAMES.length] ?? "";
  return {
    event: "order.completed",
    id: `evt_${text.slice(0, 26)}`,
    createdAt: iso(Date.UTC(2026, 10, 22) + (hash.readUInt32BE(1) % 86_400_000)),
    data: {
      orderId: `ORD-2026-${100_000 + (hash.readUInt32BE(5) % 900_000)}`,
      total: hash.readUInt16BE(9),
      customer: {
        customerId: `cus_${hash.toString("hex", 11, 15)}`,
        name,
        email: `${name.toLowerCase().replace(" ", ".")}@example.com`,
      },
      items: GOODS.slice(0, 1 + (hash.readUInt8(15) % 4)).map((title, at) => ({
        sku: `${title.slice(0, 4).toUpperCase()}-${hash.readUInt16BE(16 + at)}`,
        name: title,
        quantity: 1 + (hash.readUInt8(20 + at) % 4),
        price: hash.readUInt16BE(22 + at),
      })),
      trackingNumber: `0037350048${hash.readUInt32BE(26)}`,
      payment: { method: "card", brand: "visa", last4: String(hash.readUInt16BE(28)).slice(-4) },
    },
  };
}

/** The records of one call of the function that counts what the stream tells. */
export const CHANGES = 100;

/** Drives all paths, each by a round of jobs, or by more for its processor time. The first two and the last are no jobs. */
export async function drive(rounds = 1): Promise<ReadonlyMap<string, Driven>> {
  const service = await createService();
  try {
    const driven = new Map<string, Driven>();
    const isMeasured = rounds > 1;
    for (let n = 0; n < (isMeasured ? WARM_UP : 1); n += 1) {
      await service.webhooks(2);
      if (n % 5 === 1) await service.sweep();
    }
    service.forgetAll();
    driven.set(AGAIN, await service.measured({ jobs: 1 }, service.webhooks));
    const passes = isMeasured ? PASSES : 1;
    for (let pass = 0; pass < passes; pass += 1) await passOver(driven, { service, pass, rounds: rounds / passes });
    // At the end: a sweep would correct the counts of an app that has any. Once an hour an app is noted too.
    await service.count(CHANGES);
    service.forget();
    driven.set(COUNTING, await service.measured({ jobs: 1, rounds }, async () => service.count(CHANGES)));
    return driven;
  } finally {
    await service.end();
  }
}

interface Pass {
  readonly service: Service;
  readonly pass: number;
  readonly rounds: number;
}

async function passOver(driven: Map<string, Driven>, { service, pass, rounds }: Pass): Promise<void> {
  driven.set(SWEEP, least(driven.get(SWEEP), await service.measured({ jobs: 1, rounds }, service.sweep)));
  const idle = driven.get(SWEEP);
  for (const { name, run, isOnce, jobs: together = JOBS } of PATHS) {
    if (isOnce && pass > 0) continue;
    // What containers remember must be in their memory. What it takes to remember it is not the path's.
    await service.keepWarm();
    const of = { jobs: together, rounds: isOnce ? 1 : rounds, idle };
    const now = await service.measured(of, async (jobs) => run(service, jobs));
    driven.set(name, least(driven.get(name), now));
  }
}

/** The counts of the first pass, and of each function the least processor time. */
function least(before: Driven | undefined, now: Driven): Driven {
  if (!before) return now;
  const cpuMs = Object.entries(now.cpuMs).map(([name, ms]) => [name, Math.min(ms, before.cpuMs[name] ?? ms)] as const);
  return { counts: before.counts, cpuMs: { ...before.cpuMs, ...Object.fromEntries(cpuMs) } };
}

export const AGAIN = "(a job, and what a container reads of its app every ten seconds)";
export const SWEEP = "(a sweep that finds nothing)";
export const COUNTING = `(the counting of ${CHANGES} changes)`;
