import { HOUR, MINUTE, SECOND } from "../../../../lib/clock.ts";
import { START } from "../../cloud.ts";
import { atMost, highest, within, type Given, type Scenario } from "../scenario.ts";
import { appId, createVolumeWorld, taskJob } from "../world.ts";

const APP = appId(1);
/** A constant number: an end looks at the line, reads and sends a few tasks. */
const CALLS_APART = 10;

/** Tasks in line that are cancelled, and a bulk action beside tasks. */
export const lines: Scenario = {
  name: "lines of tasks",
  jobs: { gate: 60, usual: 300, long: 1_000 },
  run: async (given) => {
    const few = await callsOfAnEnd(given, 10);
    const many = await callsOfAnEnd(given, given.jobs);
    return [
      atMost(`5: calls of an end with ${given.jobs} cancelled in line`, few + CALLS_APART, many),
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
