import * as z from "../../zod.ts";
import { SECOND, iso } from "../../clock.ts";
import { isFinished, type Job } from "../../job/job.ts";
import type { LogLine } from "../../tasks/log-items.ts";
import { LOG_LEVELS } from "../../tasks/task.ts";
import type { ServiceParts } from "../../parts.ts";
import { time } from "../http/answers.ts";
import { requirePermission } from "../http/auth.ts";
import { route, type Answer } from "../http/http.ts";
import { ownTask } from "./tasks.ts";
import { TYPED_STATUSES, percentOf, typedStatus } from "./typed-view.ts";

const eventsQuery = z.strictObject({
  after: z.optional(
    z
      .string()
      .check(
        z.regex(/^\d{1,9}\.[\w-]{0,64}$/, "is not a cursor; take `after` of the answer before"),
        z.describe("`after` of the answer before: what is new since."),
      ),
  ),
});

const logEvent = z.strictObject({
  type: z.literal("log"),
  level: z.enum(LOG_LEVELS),
  message: z.string(),
  rowNumber: z.nullable(z.int()),
  meta: z.nullable(z.record(z.string(), z.unknown())),
  createdAt: time,
});

const progressEvent = z.strictObject({
  type: z.literal("progress"),
  status: z.enum(TYPED_STATUSES),
  progress: z.int(),
  currentStep: z.int(),
  totalSteps: z.nullable(z.int()),
  label: z.nullable(z.string()),
});

const typedEvents = z.strictObject({
  events: z.array(z.union([logEvent, progressEvent])),
  after: z.string().check(z.describe("Ask with this for what comes next.")),
  ended: z.boolean().check(z.describe("Nothing more comes.")),
});

const WAIT_AT_MOST_MS = 20 * SECOND;
/** A short task has news soon. */
const FIRST_LOOK_MS = SECOND / 8;
const LOOK_EVERY_MS = SECOND / 2;
/** As often as one looks at a running task: spec/typed-jobs-report.md, Polling Recommendations. */
const ASK_AGAIN_SECONDS = 5;
/** A line has at most 2,000 characters and 4 KB of `meta`, so this many fit into an answer. */
const MOST_LINES = 200;

export const listTypedEvents = route({
  key: "GET /v1/jobs/{id}/events",
  id: "listTypedJobEvents",
  summary: "Waits for progress and log lines: new ones at once, or none after 20 s",
  answers: {
    200: typedEvents.check(
      z.describe(
        "What is new since `after`. With `Retry-After`, it did not wait: the app's `waitersPerApp` is reached.",
      ),
    ),
  },
  access: (caller) => requirePermission(caller, "jobs.view_jobs"),
  query: eventsQuery,

  async handle({ path, caller, query }, service): Promise<Answer> {
    const { clock, requestSlots } = service;
    const began = clock.realNow();
    const look = async () => lookAt(await ownTask(path["id"], caller, service), query.after, service);
    let found = await look();
    if (found.isNews) return found.answer;
    const slot = await requestSlots.take(found.job.appId, "news");
    if (typeof slot === "string") return { ...found.answer, headers: { "retry-after": String(ASK_AGAIN_SECONDS) } };
    try {
      for (let pause = FIRST_LOOK_MS; !found.isNews && clock.realNow() - began < WAIT_AT_MOST_MS; pause *= 2) {
        await clock.sleep(Math.min(pause, LOOK_EVERY_MS));
        found = await look();
      }
      return found.answer;
    } finally {
      await slot.end();
    }
  },
});

/** `isNews`: there is something to show since `after`, or nothing more comes. */
async function lookAt(job: Job, after: string | undefined, { taskLog }: Pick<ServiceParts, "taskLog">) {
  const [lines = "0", shown = ""] = (after ?? "0.").split(".");
  const page = await taskLog.read(job, { offset: Number(lines), limit: MOST_LINES });
  const state = stateOf(job);
  const seen = Number(lines) + page.lines.length;
  const ended = isFinished(job) && seen >= page.total;
  const events = [...page.lines.map(lineEvent), ...(state === shown ? [] : [progressOf(job)])];
  const answer: Answer = { status: 200, body: { events, after: `${seen}.${state}`, ended } };
  return { job, isNews: events.length > 0 || ended, answer };
}

/** Differs whenever a progress event would. */
function stateOf(job: Job): string {
  const { step = 0, percent = 0 } = job.progress ?? {};
  return [typedStatus(job), job.attempts, step, Math.round(percent)].join("-");
}

function lineEvent({ level, message, rowNumber, meta, at }: LogLine): object {
  return { type: "log", level, message, rowNumber: rowNumber ?? null, meta: meta ?? null, createdAt: iso(at) };
}

function progressOf(job: Job): object {
  return {
    type: "progress",
    status: typedStatus(job),
    progress: percentOf(job),
    currentStep: job.progress?.step ?? 0,
    totalSteps: job.progress?.totalSteps ?? null,
    label: job.progress?.label ?? null,
  };
}
