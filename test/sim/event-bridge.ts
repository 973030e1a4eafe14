import { SendMessageCommand } from "@aws-sdk/client-sqs";
import { SECOND } from "../../lib/clock.ts";
import type { Cloud } from "./cloud.ts";
import type { Invoke } from "./process.ts";
import type { Random } from "./random.ts";
import type { Time } from "./time.ts";

// EventBridge: it fires schedules within the minute of their time, early or late, twice or never. An event that its target does not take goes to
// the dead letters.

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

/** Returns the function that looks for schedules that are new. */
export function createEventBridge({ time, random, cloud, invoke, isUnreliable, onDeadLetter }: Parts): () => void {
  const firing = new Set<object>();

  function fire(input: string): void {
    void invoke("fire-schedule", async ({ engine }) => engine.fire(JSON.parse(input))).then((fired) => {
      if (fired === undefined) deadLetter(input);
    });
  }

  function deadLetter(input: string): void {
    const MessageBody = JSON.stringify({ Payload: input });
    const QueueUrl = cloud.sqs.urlOf("SchedulesDeadLetters");
    void cloud.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));
    onDeadLetter();
  }

  return () => {
    for (const schedule of cloud.scheduler.schedules()) {
      if (firing.has(schedule) || schedule.isOver) continue;
      firing.add(schedule);
      const wait = Math.max(0, schedule.at - time.now() + random.between(-59, 60) * SECOND);
      time.after(wait, () => {
        if (!cloud.scheduler.schedules().includes(schedule)) return;
        // A target that is stored nowhere else is never lost: it comes late, or twice.
        const never = schedule.input.startsWith('{"fire":{"target"') ? 1 : 0;
        const times = isUnreliable() ? random.pick([never, 1, 1, 1, 2]) : 1;
        cloud.scheduler.fired(schedule);
        for (let n = 0; n < times; n += 1) fire(schedule.input);
      });
    }
  };
}
