import { MINUTE, SECOND } from "../../lib/clock.ts";
import type { Action } from "./action.ts";
import { createRandom } from "./random.ts";
import { APPS, DESTINATIONS, MOST_RETRIES, webhook } from "./requests.ts";
import { taskExecution } from "./task-requests.ts";

// The groups of plans, by draws of their own: a seed without them does what it did before there were groups.

const SHARE_OF_SEEDS = 0.15;
/** Posts of groups are numbered from here. */
const FROM = 5_000;

export function groupsOf(seed: string, faultsEndAt: number): Action[] {
  const random = createRandom(`${seed}/groups`);
  if (!random.chance(SHARE_OF_SEEDS)) return [];
  return Array.from({ length: random.pick([1, 1, 2]) }, (_, at) => groupOf(seed, at, faultsEndAt)).flat();
}

function groupOf(seed: string, index: number, faultsEndAt: number): Action[] {
  const random = createRandom(`${seed}/group ${index}`);
  const n = FROM + 100 * index;
  const app = random.below(APPS.length);
  const at = random.between(0, 8) * MINUTE;
  const size = random.pick([0, 1, 2, 3, 5, 8, 12]);
  const within = random.pick([1, 5, 90]) * SECOND;
  const seal = random.pick([
    "by its last member",
    "with a number",
    "with a number",
    "counted",
    "counted",
    "never",
  ] as const);
  // One more than come, or one fewer.
  const off = random.chance(0.15) ? random.pick([-1, 1]) : 0;
  const follow = random.chance(0.6) && { onComplete: `${random.pick(DESTINATIONS)}/done` };
  const body = {
    key: `group-${n}`,
    sealBy: `${random.pick([20, 40, 90])}m`,
    ...(seal === "by its last member" && { expected: Math.max(size + off, 0) }),
    ...(random.chance(0.25) && { cancelOnFailure: true }),
    ...follow,
    ...(random.chance(0.2) && { onFailure: { url: `${random.pick(DESTINATIONS)}/after/${n}` } }),
  };
  const members = Array.from({ length: size }, (_, member) => {
    const own = n + 1 + member;
    const retry = { baseDelaySeconds: random.pick([1, 5]), maxDelaySeconds: 60, jitter: 0 };
    const metadata = { idempotencyKey: `key-${own}`, maxRetries: random.below(MOST_RETRIES + 1), retry };
    const work = random.chance(0.15)
      ? { execution: taskExecution(random) }
      : webhook(random, `/${own}`, `{"n":${own}}`);
    const message = { ...work, metadata };
    return {
      n: own,
      after: random.between(0, within),
      body: { mode: random.pick(["both", "both", "db"] as const), message },
      times: random.chance(0.2) ? 2 : 1,
    };
  });
  const group: Action = { at, kind: "group", n, app, body, members, seal };
  return [group, ...peopleAt(seed, { n, app, at, size, index }, faultsEndAt)];
}

interface Around {
  readonly n: number;
  readonly app: number;
  readonly at: number;
  readonly size: number;
  readonly index: number;
}

/** What people do to the group and to its members. */
function peopleAt(seed: string, { n, app, at, size, index }: Around, faultsEndAt: number): Action[] {
  const random = createRandom(`${seed}/group ${index}/people`);
  const actions: Action[] = [];
  for (let count = size > 0 ? random.below(4) : 0; count > 0; count -= 1) {
    const does = random.pick(["read", "cancel", "retry", "retry", "retry once", "delete", "delete"] as const);
    const when = random.chance(0.6) ? at + random.between(0, 120) * SECOND : random.between(at, faultsEndAt);
    actions.push({ at: when, kind: "person", app, does, post: n + 1 + random.below(size) });
  }
  if (random.chance(0.3)) {
    const does = random.pick(["read", "cancel", "retry", "retry", "delete"] as const);
    actions.push({ at: at + random.between(10, 600) * SECOND, kind: "person", app, does, post: n });
  }
  return actions;
}
