import {
  CreateScheduleCommand,
  DeleteScheduleCommand,
  GetScheduleCommand,
  SchedulerClient,
  UpdateScheduleCommand,
  type CreateScheduleCommandInput,
} from "@aws-sdk/client-scheduler";
import { EventEmitter, once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as immediate } from "node:timers/promises";
import { vi } from "vitest";
import { createClock, type Clock } from "../../lib/clock.ts";
import { startScheduler, type Scheduler } from "../../local/scheduler.ts";
import { temporaryDir } from "../support/stack.ts";

export const FUNCTION = "arn:aws:lambda:local:000000000000:function:fire";
export const ROLE = "arn:aws:iam::000000000000:role/scheduler";
export const QUEUE = "arn:aws:sqs:local:000000000000:dead";
export const START = "2027-01-15T10:00:00Z";

// Failures are reported, and many tests are about failures.
export const stderr = vi.spyOn(process.stderr, "write").mockReturnValue(true);
const running = new Set<Scheduler>();

export async function stopSchedulers(): Promise<void> {
  await Promise.all([...running].map((scheduler) => scheduler.stop()));
  running.clear();
}

export interface Call {
  readonly arn: string;
  readonly event: unknown;
  /** Service time. */
  readonly at: string;
}

interface WorldOptions {
  readonly dir?: string;
  readonly clock?: Clock;
  /** The function's behaviour, given the number of calls before. */
  readonly behave?: (before: number) => Promise<void> | void;
  readonly takeLetter?: () => Promise<void> | void;
}

/** A scheduler of its own, and what it has called and sent. */
export async function createWorld(options: WorldOptions = {}) {
  const { dir = join(temporaryDir(), "schedules"), clock = turnable().clock, behave, takeLetter } = options;
  const calls: Call[] = [];
  const letters: { arn: string; body: string }[] = [];
  const scheduler = await startScheduler({
    dir,
    clock,
    accountId: "000000000000",
    region: "local",
    invoke: async (arn, event) => {
      calls.push({ arn, event, at: new Date(clock.now()).toISOString() });
      await behave?.(calls.length - 1);
    },
    sendToQueue: async (arn, body) => {
      await takeLetter?.();
      letters.push({ arn, body });
    },
  });
  running.add(scheduler);
  const client = new SchedulerClient({ endpoint: scheduler.url, maxAttempts: 1 });
  return {
    dir,
    calls,
    letters,
    client,
    stop: () => scheduler.stop(),
    create: (input: Partial<CreateScheduleCommandInput>) => client.send(new CreateScheduleCommand(wanted(input))),
    update: (input: Partial<CreateScheduleCommandInput>) => client.send(new UpdateScheduleCommand(wanted(input))),
    remove: (Name: string, GroupName?: string) => client.send(new DeleteScheduleCommand({ Name, GroupName })),
    get: async (Name: string, GroupName?: string) => {
      const { $metadata: _, ...schedule } = await client.send(new GetScheduleCommand({ Name, GroupName }));
      return schedule;
    },
    isThere: (name: string) => existsSync(join(dir, "default", `${name}.json`)),
  };
}

/** The least a schedule needs, in an hour, and whatever a test adds. */
export function wanted(input: Partial<CreateScheduleCommandInput>): CreateScheduleCommandInput {
  return {
    Name: "one",
    ScheduleExpression: "at(2027-01-15T11:00:00)",
    FlexibleTimeWindow: { Mode: "OFF" },
    ...input,
    Target: { Arn: FUNCTION, RoleArn: ROLE, ...input.Target },
  };
}

/** A target with these fields changed. */
export function target(change: object): Pick<CreateScheduleCommandInput, "Target"> {
  return { Target: { Arn: FUNCTION, RoleArn: ROLE, ...change } };
}

/** A clock that stands still until it is turned. Turning waits until the scheduler has done what is due then. */
export function turnable(start = START) {
  const looks = new EventEmitter();
  let time = Date.parse(start);
  function waitFor(): number {
    looks.emit("look");
    return 1;
  }
  async function turnTo(iso: string): Promise<void> {
    time = Date.parse(iso);
    // First it looks after a request or a firing has ended, perhaps, then when its timer ends, then once more.
    for (let look = 0; look < 3; look += 1) {
      await once(looks, "look");
      await immediate();
    }
  }
  return { clock: { ...createClock(), now: () => time, waitFor } satisfies Clock, turnTo };
}

export const timesOf = (calls: readonly Call[]) => calls.map(({ at }) => at.replace(".000Z", "Z"));

export async function startedAt(iso = START, options: WorldOptions = {}) {
  const { clock, turnTo } = turnable(iso);
  return { ...(await createWorld({ clock, ...options })), turnTo };
}
