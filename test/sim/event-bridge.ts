import { SendMessageCommand } from "@aws-sdk/client-sqs";
import { MINUTE, SECOND } from "../../lib/clock.ts";
import type { Cloud } from "./cloud.ts";
import type { Invoke } from "./process.ts";
import type { Random } from "./random.ts";
import type { Time } from "./time.ts";

// EventBridge: it fires schedules within the minute of their time, early or late, twice or never. A call that it can't make
// goes to the dead letters. So does an event whose calls have failed, by Lambda, some minutes later.

interface Parts {
  readonly time: Time;
  readonly random: Random;
  readonly cloud: Cloud;
  readonly invoke: Invoke;
  /** Whether a schedule may fire twice or never now. */
  readonly isUnreliable: () => boolean;
  /** Called after a dead letter was sent. */
  readonly onDeadLetter: () => void;
}

export function createEventBridge({ time, random, cloud, invoke, isUnreliable, onDeadLetter }: Parts) {
  const firing = new Set<object>();
  /** How many events have failed that are no dead letters yet. */
  let failed = 0;

  function fire(input: string): void {
    void invoke("fire-schedule", async ({ engine }) => engine.fire(JSON.parse(input))).then((fired) => {
      const isCutOff = isCarrying(input) && isUnreliable() && random.chance(0.1);
      if (fired === undefined || isCutOff) fail(input);
    });
  }

  /** Lambda calls the function twice more within minutes, and later if it has no room for it. */
  function fail(input: string): void {
    failed += 1;
    time.after(random.between(0, 10) * MINUTE, () => {
      failed -= 1;
      deadLetter(input);
    });
  }

  function deadLetter(MessageBody: string): void {
    const QueueUrl = cloud.sqs.urlOf("SchedulesDeadLetters");
    void cloud.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));
    onDeadLetter();
  }

  /** Looks for schedules that are new. */
  function fireDue(): void {
    for (const schedule of cloud.scheduler.schedules()) {
      if (firing.has(schedule) || schedule.isOver) continue;
      firing.add(schedule);
      const wait = Math.max(0, schedule.at - time.now() + random.between(-59, 60) * SECOND);
      time.after(wait, () => {
        if (!cloud.scheduler.schedules().includes(schedule)) return;
        const times = isUnreliable() ? random.pick([0, 1, 1, 1, 2]) : 1;
        // A target that is stored nowhere else is never lost: it comes late, or twice.
        if (times === 0 && isCarrying(schedule.input)) deadLetter(JSON.stringify({ Payload: schedule.input }));
        cloud.scheduler.fired(schedule);
        for (let n = 0; n < times; n += 1) fire(schedule.input);
      });
    }
  }

  return { fireDue, isQuiet: () => failed === 0 };
}

function isCarrying(input: string): boolean {
  return input.startsWith('{"fire":{"target"');
}
