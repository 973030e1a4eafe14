import { DAY, HOUR, MINUTE, SECOND } from "../../../../lib/clock.ts";
import { EXECUTION_TYPES } from "../../../../lib/executors/index.ts";
import type { TaskExecution } from "../../../../lib/executors/task.ts";
import type { NewJob } from "../../../../lib/job/accept.ts";
import type { Outcome } from "../../../../lib/job/attempt.ts";
import type { Job } from "../../../../lib/job/job.ts";
import { DEFAULT_LIST_SHARDS } from "../../../../lib/store/job-keys.ts";
import { START } from "../../cloud.ts";
import { APP, HELD, OLD, USERS, askedLists } from "../asked-lists.ts";
import { createPageCosts, jobsIn, statusesIn, storeJobs, walk, type AskedList, type Walked } from "../lists.ts";
import { atMost, highest, none, type Figure, type Scenario } from "../scenario.ts";
import { createVolumeWorld, taskJob, webhook, type Run } from "../world.ts";

const HELD_AT = 10 * MINUTE;
const ASKED_AT = 2 * HOUR;
/** A list by numbers looks at ten thousand jobs, and takes about 4,000 at a time. */
const HISTORY = 13_000;

const rejected: Outcome = { kind: "rejected", error: "HTTP 400", httpStatus: 400 };
const failed: Outcome = { kind: "retry", error: "HTTP 500", httpStatus: 500 };
const putOff: Outcome = { ...failed, retryAfterMs: 10 * HOUR };
const later: Outcome = { ...failed, retryAfterMs: 10 * MINUTE };
const FATES: Readonly<Record<string, Run>> = {
  rejected: { outcome: rejected },
  failed: { outcome: failed },
  "put off": { outcome: putOff },
  long: { ms: 5 * MINUTE },
};

/** The tasks of a user that follow one another: of all kinds and fates. */
const CYCLE = 150;

/** Most of a user's tasks succeed; the others end otherwise, or wait. */
function userTask(n: number): NewJob {
  const fate = ["put off", "rejected", "failed", "cancelled", "late"][n % 25] ?? "fine";
  const { message, ...job } = taskJob(APP, n % 10 === 3 ? "cleanup" : "example", { fate });
  const isLate = fate === "late" || fate === "cancelled";
  return {
    ...job,
    message: { ...message, metadata: { maxRetries: fate === "failed" ? 0 : 3, labels: [fate] } },
    userId: USERS[Math.floor(n / CYCLE) % USERS.length] ?? "",
    ...(n % 3 === 0 && { dialect: "files" as const }),
    ...(isLate && { startAt: START + DAY }),
  };
}

/** Those that fail have a host each, so that no circuit opens. */
function someWebhook(n: number): NewJob {
  const host = `https://n${n}.example`;
  const all = [
    webhook(APP, { startAt: START + DAY }),
    webhook(APP, { host: `${host}/put-off` }),
    webhook(APP, { host: `${host}/failed`, maxRetries: 0 }),
    webhook(APP, { host: HELD, maxRetries: 20 }),
  ];
  return all[n % 8] ?? webhook(APP);
}

function fateOf({ payload, baseUrl = "" }: { payload?: unknown; baseUrl?: string }): Run {
  if (payload) return FATES[(payload as { fate: string }).fate] ?? {};
  if (baseUrl === HELD) return { outcome: later };
  if (baseUrl.includes("put-off")) return { outcome: putOff };
  return baseUrl.includes("failed") ? { outcome: failed } : {};
}

/** Users who each own many jobs, of all types and statuses, and lists of them. */
export const lists: Scenario = {
  name: "lists of many jobs",
  jobs: { gate: 900, usual: 5_000, long: 25_000 },
  run: async (given) => {
    const costs = createPageCosts();
    const world = createVolumeWorld({
      ...given,
      seed: "lists",
      watch: costs,
      runs: ({ message }) => fateOf(message.execution as Partial<TaskExecution> & { baseUrl?: string }),
    });
    await fill(world, given.jobs);
    const [jobs, statuses] = [jobsIn(world.cloud), statusesIn(world.cloud)];
    const asked = askedLists();
    const walked: [AskedList, Walked][] = [];
    costs.take();
    const asking = (async () => {
      for (const each of asked) walked.push([each, await walk(each, { invoke: world.invoke, costs })]);
    })();
    await world.run(ASKED_AT + 3 * MINUTE, () => walked.length === asked.length);
    if (walked.length < asked.length) throw new Error(`Only ${walked.length} of ${asked.length} lists have ended`);
    await asking;
    // What a list is compared with has to stand still.
    if (statusesIn(world.cloud) !== statuses) throw new Error("A job has moved while lists were read");
    return figuresOf(walked, jobs);
  },
};

type World = ReturnType<typeof createVolumeWorld>;

/** Runs the world until it has jobs of all kinds. */
async function fill(world: World, jobs: number): Promise<void> {
  const [tasks, webhooks] = [Math.floor(jobs * 0.8), Math.floor(jobs * 0.2)];
  world.at(0, () => void world.limit(APP, { maxConcurrentTasks: 100 }));
  world.at(SECOND, () => void world.set(APP, { maxConcurrentTasks: 100 }));
  world.post(
    Array.from({ length: tasks }, (_, n) => userTask(n)),
    MINUTE,
    4 * MINUTE,
  );
  world.post(
    Array.from({ length: webhooks }, (_, n) => someWebhook(n)),
    MINUTE,
    4 * MINUTE,
  );
  world.at(HELD_AT, () => void world.hold(APP, HELD));
  await world.run(HOUR);
  const cancelled = jobsIn(world.cloud).filter(({ labels }) => labels?.includes("cancelled"));
  void world.cancel(cancelled.map(({ id }) => id));
  void world.set(APP, { maxConcurrentTasks: 5 });
  // Young ones: those that wait are in no index of their status yet.
  const soon = START + ASKED_AT + 10 * MINUTE;
  world.post(
    Array.from({ length: 20 }, () => webhook(APP, { startAt: soon })),
    ASKED_AT - MINUTE,
  );
  const long = { ...taskJob(APP, "example", { fate: "long" }), userId: USERS[0] ?? "" };
  world.post(
    Array.from({ length: 12 }, () => long),
    ASKED_AT - MINUTE,
  );
  await storeHistory(world);
  await world.run(ASKED_AT);
}

/** The tasks of years, as they stand in the table. */
async function storeHistory({ cloud }: World): Promise<void> {
  const some = jobsIn(cloud).find((job) => job.jobType === "example" && job.status === "SUCCEEDED");
  if (!some) throw new Error("No task has succeeded");
  const id = (n: number) => `${some.id.slice(0, 28)}${((n * 2_654_435_761) % 2 ** 32).toString(16).padStart(8, "0")}`;
  const history = Array.from({ length: HISTORY }, (_, n): Job => {
    const createdAt = START - n * MINUTE;
    const jobType = n % 100 === 0 ? "cleanup" : "example";
    return { ...some, id: id(n), appId: OLD, createdAt, jobType, status: n % 50 === 1 ? "DEAD" : "SUCCEEDED" } as Job;
  });
  await storeJobs(history, cloud);
}

function figuresOf(walked: readonly (readonly [AskedList, Walked])[], jobs: readonly Job[]): Figure[] {
  const costs = walked.flatMap(([, { costs: of }]) => of);
  const compared = walked.map(([asked, { ids, totals }]) => {
    const times = Map.groupBy(ids, (id) => id);
    const wanted = jobs.filter(asked.isOf);
    const isWanted = new Set(wanted.map(({ id }) => id));
    if (wanted.length === 0) throw new Error(`No job is of the list ${JSON.stringify(asked.query)}`);
    return {
      missed: asked.isOnlyEnds ? [] : wanted.filter(({ id }) => times.get(id)?.length !== 1),
      others: ids.filter((id) => !isWanted.has(id)),
      wrong: totals.filter(({ total, isExact }) => (isExact ? total !== wanted.length : total > wanted.length)),
    };
  });
  const [missed, others, wrong] = [
    compared.flatMap((each) => each.missed),
    compared.flatMap((each) => each.others),
    compared.flatMap((each) => each.wrong),
  ];
  return [
    atMost(
      "7: BatchGets of a page",
      4,
      highest(costs, ({ batches }) => batches),
    ),
    atMost(
      "7: queries of a round, types × LIST_SHARDS",
      EXECUTION_TYPES.length * DEFAULT_LIST_SHARDS,
      highest(costs, ({ queries }) => queries),
    ),
    none("7: jobs that a list left out or gave twice", missed.length, missed[0]?.status),
    none("7: jobs that a list gave and that do not fit", others.length, others[0]),
    none("7: totals that say exact and are not, or are more than there are", wrong.length),
  ];
}
