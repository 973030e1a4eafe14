import { MINUTE } from "../../lib/clock.ts";
import { SWEEP_EVERY } from "./cloud.ts";
import { createEventBridge } from "./event-bridge.ts";
import { createMappings, type MappingParts } from "./mappings.ts";

// The callers of functions without HTTP: the mappings of queues, EventBridge, and the rule of the sweep.

const QUEUES = ["JobsFairQueue", "JobsMainQueue"] as const;
const TASKS = "JobsTasksQueue";
const DEAD = ["JobsFairDeadLetters", "JobsMainDeadLetters", "JobsTasksDeadLetters", "SchedulesDeadLetters"] as const;
const POLLERS = 2;

export function createCallers(parts: MappingParts) {
  const { time, random, cloud, invariants, invoke, faultRate, isRough } = parts;
  const mappings = createMappings(parts);
  const isUnreliable = () => isRough() && faultRate > 0;
  const eventBridge = createEventBridge({ time, random, cloud, invoke, isUnreliable, onDeadLetter: mappings.wake });

  function everyMinute(): void {
    time.after(SWEEP_EVERY, everyMinute);
    if (isRough() && random.chance(0.05)) return;
    if (!invariants.isAnythingDue(time.now() + MINUTE)) return;
    // A schedule's rule may call its function twice.
    for (let times = isRough() && random.chance(0.3) ? 2 : 1; times > 0; times -= 1) {
      void invoke("sweep", async ({ engine }, timeLeft) => engine.sweep(timeLeft));
    }
  }

  function start(): void {
    for (const name of QUEUES) {
      for (let n = 0; n < POLLERS; n += 1) {
        void mappings.poll(name, ({ engine }, records, left) => engine.runBatch(records, left));
      }
    }
    void mappings.pollTasks(({ engine }, records, left) => engine.runBatch(records, left));
    for (const name of DEAD) void mappings.poll(name, ({ engine }, records) => engine.recoverBatch(records));
    time.after(SWEEP_EVERY * random.next(), everyMinute);
  }

  const isEmpty = (name: string) => cloud.sqs.messages(name).length === 0;
  const isQuiet = () => eventBridge.isQuiet() && [...QUEUES, TASKS, ...DEAD].every(isEmpty);

  return { start, wakePollers: mappings.wake, fireDue: eventBridge.fireDue, isQuiet };
}
