import { DAY, HOUR, MINUTE, SECOND } from "../../../../lib/clock.ts";
import { START } from "../../cloud.ts";
import {
  atMost,
  highest,
  longestPassing,
  messagesOver,
  none,
  within,
  type Figure,
  type Given,
  type Scenario,
} from "../scenario.ts";
import { appId, createVolumeWorld, taskJob } from "../world.ts";

const APP = appId(1);
/** In a line that tasks keep joining: they come faster than the slots take them. */
const SLOTS = 2;
const RUNS_MS = [1_600, 150, 250, 400];
/** The executions of serverless.yml. */
const AT_ONCE = { JobsTasksQueue: 100 };
const APART_MS = 200;
/** A constant number: an end looks at the line, reads and sends a few tasks. */
const CALLS_APART = 10;

/** Tasks in line that are cancelled, or start in order, and a bulk action beside tasks. */
export const lines: Scenario = {
  name: "lines of tasks",
  jobs: { gate: 200, usual: 1_000, long: 4_000 },
  run: async (given) => {
    const few = await callsOfAnEnd(given, 10);
    const many = await callsOfAnEnd(given, given.jobs);
    return [
      atMost(`5: calls of an end with ${given.jobs} cancelled in line`, few + CALLS_APART, many),
      ...(await inOrder(given)),
      within("5: the start of a task beside a bulk action, with one slot", MINUTE, await besideBulk(given)),
    ];
  },
};

/** The calls of the functions of tasks from the end of a task until the next one has started. */
async function callsOfAnEnd(given: Given, cancelled: number): Promise<number> {
  const endsAt = 12 * MINUTE;
  const world = createVolumeWorld({
    ...given,
    seed: "lines",
    runs: () => ({ ms: world.elapsed() < MINUTE ? endsAt - world.elapsed() : SECOND }),
  });
  const { counts, cloud } = world;
  world.at(0, () => void world.set(APP, { maxConcurrentTasks: 1 }));
  world.post([taskJob(APP)], 20 * SECOND);
  world.post(
    Array.from({ length: cancelled }, () => taskJob(APP)),
    90 * SECOND,
  );
  world.post([taskJob(APP)], 2 * MINUTE);
  world.at(4 * MINUTE, () => {
    const inLine = [...counts.jobs.values()].filter(({ createdAt }) => createdAt > START + MINUTE);
    void world.cancel(inLine.slice(0, cancelled).map(({ id }) => id));
  });
  await world.run(endsAt - SECOND);
  const before = cloud.calls.get("run-tasks") ?? 0;
  await world.run(endsAt + 30 * MINUTE, world.isDone);
  return (cloud.calls.get("run-tasks") ?? 0) - before;
}

async function besideBulk(given: Given): Promise<number> {
  const world = createVolumeWorld({
    ...given,
    seed: "bulk",
    runs: ({ job }) => ({ ms: job.jobType === "bulk_action" ? 12 * MINUTE : 5 * SECOND }),
  });
  const { counts, time } = world;
  world.at(0, () => void world.set(APP, { maxConcurrentTasks: 1 }));
  world.post([taskJob(APP, "bulk_action", { action: "cancel", filter: { status: "FAILED" } })], 20 * SECOND);
  world.post([taskJob(APP)], MINUTE);
  await world.run(HOUR, world.isDone);
  return highest([...counts.jobs.values()], ({ createdAt, starts: [start = time.now()] }) => start - createdAt);
}

/** Tasks that keep coming while others are in line. */
async function inOrder(given: Given): Promise<Figure[]> {
  let started = 0;
  const world = createVolumeWorld({
    ...given,
    seed: "order",
    atOnce: AT_ONCE,
    runs: () => ({ ms: RUNS_MS[(started += 1) % RUNS_MS.length] ?? 0 }),
  });
  const { counts, time } = world;
  const atFirst = Math.ceil((given.jobs * 3) / 4);
  world.at(0, () => void world.set(APP, { maxConcurrentTasks: SLOTS }));
  world.post(
    Array.from({ length: atFirst }, () => taskJob(APP)),
    20 * SECOND,
  );
  for (let n = 0; n < given.jobs - atFirst; n += 1) world.post([taskJob(APP)], 2 * MINUTE + n * APART_MS);
  await world.run(DAY, world.isDone);
  const jobs = counts.of(APP);
  return [
    within("20: passing by tasks that came a second later", SECOND, longestPassing(jobs, time.now(), SECOND)),
    atMost(
      "3: messages of a task over 2 + retries + log2(minutes)",
      0,
      highest(jobs, (job) => messagesOver(job, time.now())),
    ),
    atMost("3: messages of a task, on average", 3, jobs.reduce((sum, { messages }) => sum + messages, 0) / jobs.length),
    none("20: tasks that have not run", counts.open()),
  ];
}
