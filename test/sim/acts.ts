import { MINUTE } from "../../lib/clock.ts";
import type { Action } from "./action.ts";
import type { ClientParts } from "./client-parts.ts";
import type { Cloud } from "./cloud.ts";
import { group } from "./groups.ts";
import type { Invariants } from "./invariants.ts";
import { change, person, resume } from "./people.ts";
import type { Plan } from "./plan.ts";
import { post } from "./posts.ts";
import type { Container } from "./process.ts";
import type { Random } from "./random.ts";
import { APPS, DESTINATIONS } from "./requests.ts";
import { resumeAll, schedules } from "./schedulers.ts";
import type { createTargets } from "./targets.ts";
import type { Time } from "./time.ts";

// The actions of a plan, carried out at their times.

export interface ActParts {
  readonly time: Time;
  readonly chance: Random;
  readonly cloud: Cloud;
  readonly invariants: Invariants;
  readonly clients: ClientParts;
  readonly targets: ReturnType<typeof createTargets>;
  readonly containers: ReadonlySet<Container>;
  /** TTL removes an expired item at its next chance. */
  readonly isCalm: boolean;
  readonly trace: (line: string) => void;
}

/** Has everything of a plan happen at its time. */
export function schedule(parts: ActParts, plan: Plan): void {
  const { time, targets, clients, trace } = parts;
  for (const action of plan.actions) {
    time.after(action.at, () => {
      trace(`happens ${action.kind} ${JSON.stringify({ ...action, body: undefined, members: undefined })}`);
      act(parts, action);
    });
  }
  time.after(plan.faultsEndAt, () => {
    for (const destination of DESTINATIONS) targets.become(destination, "well");
    for (const appId of APPS) void change(clients, appId, { paused: false });
    resumeAll(clients, plan);
  });
  for (const later of RESUMED_AFTER) {
    time.after(plan.faultsEndAt + later, () => {
      for (const appId of APPS) for (const destination of DESTINATIONS) void resume(clients, appId, destination);
    });
  }
}

/** An attempt that was under way may hold its destination for an answer of before. */
const RESUMED_AFTER = [0, 10 * MINUTE, 40 * MINUTE] as const;

function act(parts: ActParts, action: Action): void {
  const { clients, targets, cloud } = parts;
  switch (action.kind) {
    case "post":
      for (let n = 0; n < action.times; n += 1) void post(clients, action);
      return;
    case "person":
      return void person(clients, action);
    case "group":
      return void group(clients, action);
    case "schedule":
      return schedules(clients, action);
    case "settings":
      return void change(clients, APPS[action.app] ?? "", action.settings);
    case "target":
      return targets.become(DESTINATIONS[action.destination] ?? "", action.mood);
    case "kill":
    case "freeze":
      return strike(parts, action.kind, action.ms);
    case "outage":
      return cloud.outage(action.service, action.ms);
    case "empty":
      return empty(parts, action.queue);
    default:
      return action satisfies never;
  }
}

/** Kills or freezes a process, mostly a busy one. */
function strike({ containers, chance, invariants, trace }: ActParts, how: "kill" | "freeze", ms: number): void {
  const alive = [...containers];
  if (alive.length === 0) return;
  const busy = alive.filter(({ isBusy }) => isBusy);
  const victim = chance.pick(busy.length > 0 && chance.chance(0.7) ? busy : alive);
  if (how === "kill") return victim.kill();
  trace(`${victim.name} stands still for ${ms}`);
  victim.freeze(ms);
  invariants.frozen(victim, ms);
}

function empty({ cloud, invariants, trace }: ActParts, queue: string): void {
  const lost = cloud.sqs
    .messages(queue)
    .filter(({ body }) => !body.startsWith('{"job"') && !body.startsWith('{"fire"'));
  trace(`${queue} forgets ${lost.length}`);
  invariants.emptied(lost);
  cloud.sqs.forget(queue, lost);
}

/** Every minute, TTL deletes some of the expired items. */
export function expireSome(parts: ActParts): void {
  const { time, cloud, chance, isCalm, trace } = parts;
  time.after(MINUTE, () => expireSome(parts));
  for (const item of cloud.dynamodb.removeExpired(() => isCalm || chance.chance(0.3))) {
    trace(`TTL removes ${item["pk"]?.S} ${item["sk"]?.S}`);
  }
}
