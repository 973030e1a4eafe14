import { DAY, HOUR, MINUTE } from "../../../../lib/clock.ts";
import type { NewJob } from "../../../../lib/job/accept.ts";
import type { Outcome } from "../../../../lib/job/attempt.ts";
import { noise } from "../../requests.ts";
import type { Item } from "../../models/dynamodb-value.ts";
import { none, type Scenario } from "../scenario.ts";
import { appId, createVolumeWorld, everyMinutes, taskJob, webhook } from "../world.ts";

const RETENTION = DAY;
const APPS = [1, 2, 3].map(appId);
/** Belongs to an app, not to a job, and expires by its own rules. */
const OF_AN_APP = /^(APP|AUDIT|B#|BUDGET|RATE|STAT|FLOW|SLOTS)/;
const failure: Outcome = { kind: "retry", error: "HTTP 500", httpStatus: 500 };

/** Jobs of all kinds, of which nothing is to be left. */
export const retention: Scenario = {
  name: "nothing is left after retention",
  jobs: { gate: 30, usual: 1_200, long: 12_000 },
  run: async (given) => {
    const world = createVolumeWorld({
      ...given,
      seed: "retention",
      retentionMs: RETENTION,
      runs: ({ job, number }) => (job.maxRetries === 2 && number < 4 ? { outcome: failure } : {}),
    });
    const { counts, cloud, random } = world;
    const body = noise(random, 2_500);
    const huge = Array.from({ length: 5 }, () => noise(random, 420_000));
    const kinds: ((n: number) => NewJob)[] = [
      (n) => webhook(APPS[n % 3] ?? "", {}),
      (n) => webhook(APPS[n % 3] ?? "", { body, callback: true }),
      (n) => webhook(APPS[n % 3] ?? "", { body, maxRetries: 2, callback: true }),
      (n) => webhook(APPS[n % 3] ?? "", { body, maxRetries: 2, mode: "sqs" }),
      (n) => webhook(APPS[n % 3] ?? "", { lane: `lane ${n % 5}`, maxRetries: 2 }),
      (n) => taskJob(APPS[n % 3] ?? ""),
    ];
    const jobs = Array.from({ length: given.jobs }, (_, n) => kinds[n % kinds.length]?.(n) ?? taskJob(APPS[0] ?? ""));
    const large = huge.flatMap((text, n) => [
      webhook(APPS[0] ?? "", { body: text }),
      webhook(APPS[0] ?? "", { body: text, mode: "sqs" }),
      ...[1, 2].map(() => keyed(webhook(APPS[0] ?? "", { body: `${text}${n}` }), `key-${n}`)),
    ]);
    world.post([...jobs, ...large], MINUTE, 10 * MINUTE);
    world.post([runningTwice(everyMinutes(APPS[1] ?? "", 5))], MINUTE);
    await world.run(3 * DAY, world.isDone);
    // What an end owes is submitted.
    await world.run(world.elapsed() + HOUR);
    await world.forget(RETENTION);
    const isOfJob = ({ sk }: Item) => sk?.S === "J";
    const items = () => cloud.dynamodb.items().filter(({ pk }) => !OF_AN_APP.test(pk?.S ?? ""));
    const jobsLeft = items().filter(isOfJob);
    await world.forget(DAY);
    const left = items();
    const versions = cloud.s3.versions();
    return [
      none("4: jobs that have not ended", counts.open()),
      none("4: jobs left after their retention", jobsLeft.length, jobsLeft[0]?.["pk"]?.S),
      none("4: items left in the table a day later", left.length, `${left[0]?.["pk"]?.S} ${left[0]?.["sk"]?.S}`),
      none("4: objects left in the bucket, with their versions", versions.length, versions[0]),
    ];
  },
};

function keyed({ message, ...job }: NewJob, idempotencyKey: string): NewJob {
  return { ...job, message: { ...message, metadata: { ...message.metadata, idempotencyKey } } };
}

function runningTwice({ message, ...job }: NewJob): NewJob {
  return { ...job, message: { ...message, execution: { ...message.execution, maxRuns: 2 } } };
}
