import { MINUTE, SECOND } from "../../lib/clock.ts";
import type { Random } from "./random.ts";
import { APPS, DESTINATIONS, noise, schedule, webhook } from "./requests.ts";
import type { Action } from "./action.ts";

// Scenes: coincidences that chance rarely draws, added to some of the seeds. Posts are numbered from `from`.

type Scene = (random: Random, from: number) => Action[];

/** A target is down while enough jobs for it come to open its circuit, and up again later. */
const targetDown: Scene = (random, from) => {
  const at = random.between(0, 3) * MINUTE;
  const jobs = posts(random, from, 24 + random.below(12), "both", () => at + random.between(0, 150) * SECOND);
  const isUpAt = at + random.between(3, 9) * MINUTE;
  return [
    { at, kind: "target", destination: 0, mood: "failing" },
    ...jobs,
    { at: isUpAt, kind: "target", destination: 0, mood: random.pick(["well", "well", "gone"]) },
  ];
};

/** Jobs of mode sqs fail while the table, which must then store them, has an outage. */
const carriedInOutage: Scene = (random, from) => {
  const at = random.between(1, 8) * MINUTE;
  return [
    { at: at - SECOND, kind: "target", destination: 0, mood: random.pick(["failing", "flaky"]) },
    ...posts(random, from, 3 + random.below(4), "sqs", () => at + random.between(-10, 20) * SECOND),
    { at, kind: "outage", service: "dynamodb", ms: random.between(60, 200) * SECOND },
    { at: at + 4 * MINUTE, kind: "target", destination: 0, mood: "well" },
  ];
};

/** Schedules that only EventBridge stores are posted during its outage. */
const schedulerAway: Scene = (random, from) => {
  const at = random.between(1, 8) * MINUTE;
  const asked = Array.from({ length: 4 }, (_, index): Action => {
    const n = from + index;
    const body = { mode: "sqs", message: { execution: schedule(random, "sqs", n), metadata: {} } };
    return { at: at + random.between(0, 30) * SECOND, kind: "post", n, app: random.below(APPS.length), body, times: 1 };
  });
  return [{ at, kind: "outage", service: "scheduler", ms: random.between(20, 60) * SECOND }, ...asked];
};

/** A lane whose jobs wait for so long that the sweep takes their messages for lost, or they are lost. */
const crowdedLane: Scene = (random, from) => {
  const at = random.between(1, 4) * MINUTE;
  const lane = { messageGroupId: "crowded" };
  const lost: Action = { at: at + random.between(5, 90) * SECOND, kind: "empty", queue: "JobsMainQueue" };
  return [
    { at: 0, kind: "target", destination: 0, mood: random.pick(["silent", "slow"]) },
    ...posts(random, from, 8 + random.below(6), "both", () => at + random.between(0, 120) * SECOND, lane, 55),
    ...(random.chance(0.5) ? [lost] : []),
    { at: at + 9 * MINUTE, kind: "target", destination: 0, mood: "well" },
  ];
};

/** A job with its payload in an item of its own is deleted while it is posted again. */
const deletedAndPosted: Scene = (random, from) => {
  const at = random.between(1, 8) * MINUTE;
  const app = random.below(APPS.length);
  const metadata = { idempotencyKey: `key-${from}`, maxRetries: 1 };
  const body = { mode: "both", message: { ...webhook(random, `/${from}`, noise(random, 1_500)), metadata } };
  const post = (after: number): Action => ({ at: at + after, kind: "post", n: from, app, body, times: 1 });
  const again = Array.from({ length: 4 }, () => post(MINUTE + random.between(-10, 40)));
  return [post(0), { at: at + MINUTE, kind: "person", app, does: "delete", post: from }, ...again];
};

const SCENES: readonly (readonly [chance: number, Scene])[] = [
  [0.05, targetDown],
  [0.05, carriedInOutage],
  [0.03, schedulerAway],
  [0.08, crowdedLane],
  [0.05, deletedAndPosted],
];

/** More posts than any of them has. */
export const MOST_IN_SCENE = 100;

/** The scene of a seed, if it has one. */
export function sceneOf(random: Random, from: number): Action[] {
  let drawn = random.next();
  for (const [chance, scene] of SCENES) {
    if (drawn < chance) return scene(random, from);
    drawn -= chance;
  }
  return [];
}

/** Jobs of one app to the first destination. */
function posts(
  random: Random,
  from: number,
  count: number,
  mode: string,
  at: () => number,
  grouped = {},
  timeoutSeconds = 10,
): Action[] {
  const app = random.below(APPS.length);
  const execution = { type: "rest-api", baseUrl: DESTINATIONS[0], timeoutSeconds };
  return Array.from({ length: count }, (_, index): Action => {
    const n = from + index;
    const retry = { baseDelaySeconds: 5, maxDelaySeconds: 60, jitter: 0 };
    const metadata = { ...grouped, maxRetries: random.below(3), retry };
    const message = { lambdaProxyMessage: { body: "{}", path: `/${n}`, httpMethod: "POST" }, execution, metadata };
    return { at: at(), kind: "post", n, app, body: { mode, message }, times: 1 };
  });
}
