import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../lib/clock.ts";
import { retryOf, takeUp, type Firing, type Schedule, type Schedules } from "./schedule.ts";

// The firing of the local EventBridge Scheduler's schedules, in service time. A firing stays on disk until
// the function has succeeded or is given up: a kill at any moment fires twice rather than never.

export interface Targets {
  /** Calls the function that a target's ARN names; rejects when it fails or is unknown. */
  readonly invoke: (functionArn: string, event: unknown) => Promise<unknown>;
  /** Sends to the queue that a dead-letter config's ARN names. */
  readonly sendToQueue: (queueArn: string, body: string) => Promise<void>;
}

/** The shared state of the functions below; `timer` and `stopping` change. */
export interface Firings extends Targets {
  readonly schedules: Schedules;
  readonly clock: Clock;
  readonly inHand: Map<Firing, Promise<void>>;
  timer?: NodeJS.Timeout;
  stopping: boolean;
}

const STOP_WITHIN_MS = 1_000;
/** Real time. Timers stand still while a laptop sleeps, and overflow after 24 days. */
const LONGEST_WAIT_MS = 10_000;

/** Sets the timer for the next due run. To be called after every change of a schedule. */
export function arm(firings: Firings): void {
  const { schedules, clock, inHand } = firings;
  clearTimeout(firings.timer);
  if (firings.stopping) return;
  let next = Infinity;
  for (const { nextRunAt = Infinity, firings: waiting } of schedules.byId.values()) {
    next = waiting.reduce((due, firing) => (inHand.has(firing) ? due : Math.min(due, firing.dueAt)), next);
    next = Math.min(next, nextRunAt);
  }
  const wait = Math.ceil(clock.waitFor(Math.max(next - clock.now(), 0)));
  firings.timer = setTimeout(() => fireDue(firings), Math.min(wait, LONGEST_WAIT_MS));
}

/** Waits 1 s at most for the firings in hand. */
export async function stopFiring(firings: Firings): Promise<void> {
  firings.stopping = true;
  clearTimeout(firings.timer);
  await Promise.race([Promise.all(firings.inHand.values()), sleep(STOP_WITHIN_MS)]);
  // A firing that ends later finds no schedule and writes nothing: another stack may have the folder by then.
  firings.schedules.forget();
}

function fireDue(firings: Firings): void {
  const { schedules, clock, inHand } = firings;
  const now = clock.now();
  for (const given of schedules.byId.values()) {
    const schedule = (given.nextRunAt ?? Infinity) <= now ? schedules.keep(takeUp(given, now)) : given;
    for (const firing of schedule.firings) {
      if (firing.dueAt > now || inHand.has(firing)) continue;
      const firingEnds = fire(firings, schedule, firing).finally(() => {
        inHand.delete(firing);
        arm(firings);
      });
      inHand.set(firing, firingEnds);
    }
  }
  arm(firings);
}

async function fire(firings: Firings, schedule: Schedule, firing: Firing): Promise<void> {
  const { schedules, clock, invoke, sendToQueue } = firings;
  const { Arn, Input = "{}", RetryPolicy, DeadLetterConfig } = schedule.definition.Target;
  try {
    await invoke(Arn, parsed(Input, Input));
  } catch (error) {
    // A firing that fails while the stack stops runs again at the next start.
    if (firings.stopping || !current(schedules, schedule, firing)) return;
    report(schedule, `failure ${firing.failures + 1} of ${Arn}`, error);
    const retry = retryOf(firing, RetryPolicy, clock.now());
    if (retry) return replace(schedules, schedule, firing, [retry]);
    // A dead letter that the queue refuses is lost, as on AWS.
    const lost = (reason: unknown) => report(schedule, `no dead letter in ${DeadLetterConfig?.Arn}`, reason);
    // The function was called: its dead letter is one of Lambda, which holds the event. EventBridge's hold a whole call.
    if (DeadLetterConfig?.Arn) await sendToQueue(DeadLetterConfig.Arn, Input).catch(lost);
    if (firings.stopping) return;
  }
  replace(schedules, schedule, firing, []);
}

/** Does nothing if the schedule was updated or deleted since, or if the scheduler has stopped. */
function replace(schedules: Schedules, schedule: Schedule, firing: Firing, others: readonly Firing[]): void {
  const now = current(schedules, schedule, firing);
  if (!now) return;
  const firings = [...now.firings.filter((other) => other !== firing), ...others];
  const isComplete = firings.length === 0 && now.nextRunAt === undefined;
  if (isComplete && now.definition.ActionAfterCompletion === "DELETE") schedules.remove(now);
  else schedules.keep({ ...now, firings });
}

/** The schedule as it is now, if the firing is still one of its own. */
function current({ byId }: Schedules, schedule: Schedule, firing: Firing): Schedule | undefined {
  const now = byId.get(schedule.id);
  return now?.firings.includes(firing) ? now : undefined;
}

/** Leaves out the error's message, which may quote the input. */
function report(schedule: Schedule, what: string, error: unknown): void {
  const name = error instanceof Error ? error.name : typeof error;
  process.stderr.write(`schedule ${schedule.id}: ${what} (${name})\n`);
}

/** An input that is not JSON reaches the function as text. */
export function parsed(json: string, otherwise: unknown): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return otherwise;
  }
}
