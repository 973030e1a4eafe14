import type { ScheduleExecution } from "../../lib/executors/schedule-schema.ts";
import { nextRunOf, type Job } from "../../lib/job/job.ts";
import type { Message } from "../../lib/job/message.ts";
import { PLENTY, request, type World } from "../support/world.ts";

// What tests do with the schedules of their world.

type Fields = Partial<Omit<ScheduleExecution, "targetJob">>;

export const RATE = { scheduleExpression: "rate(5 minutes)" };

/** `world`: the one of the running test. */
export function schedulesIn(world: () => World) {
  async function schedule(fields: Fields = RATE, body = "{}"): Promise<Job> {
    const { appId, message: targetJob } = request("both", {}, { body });
    const execution = { scheduleExpressionTimezone: "UTC", ...fields, type: "schedule", targetJob };
    const submitted = await world().engine.submit({ appId, mode: "both", message: { execution, metadata: {} } });
    if (submitted.kind !== "created") throw new Error(`The schedule was ${submitted.kind}`);
    return submitted.job;
  }

  const stored = async ({ id }: Pick<Job, "id">) => (await world().store.get(id)) as Job;
  const run = async (job: Job) => world().engine.run({ kind: "firing", ref: nextRunOf(job) }, PLENTY);
  const edit = async (job: Job, change: (execution: ScheduleExecution) => object) =>
    world().engine.editSchedule(job.id, (_, message: Message) => ({
      message: {
        ...message,
        execution: { ...message.execution, ...change(message.execution as ScheduleExecution) },
      },
    }));
  const pause = async (job: Job) => world().engine.editSchedule(job.id, () => ({ pause: { reason: "closed" } }));
  const resume = async (job: Job, missed: "skip" | "once" | "all" = "skip") =>
    world().engine.editSchedule(job.id, () => ({ pause: null, missed }));

  async function work(): Promise<void> {
    for (let left = 1; left > 0;) {
      const records = await world().receive("fair");
      await world().engine.runBatch(records, PLENTY);
      await world().queue.remove(records);
      left = records.length;
    }
  }

  return { schedule, stored, run, edit, pause, resume, work };
}
