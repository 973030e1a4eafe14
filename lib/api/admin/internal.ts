import * as z from "../../zod.ts";
import { enveloped, tally as tallied } from "../http/answers.ts";
import { envelope, route, type Answer } from "../http/http.ts";
import { tally, type Tally } from "../../engine/tally.ts";

// Endpoints by which an operator or an external scheduler starts work at once: spec/hybrid-queue-migration.md.

const limited = (most: number) =>
  z.prefault(z.strictObject({ limit: z._default(z.int().check(z.minimum(1), z.maximum(most)), 10) }), {});

const answers = { 200: enveloped(tallied).check(z.describe("What came of them.")) };

export const runJobs = runDueJobs("POST /internal/v1/jobs/run", "runJobs");
export const runDbJobs = runDueJobs("POST /internal/v1/run-db-jobs", "runDbJobs");

/** Claims and runs due jobs in this request. */
function runDueJobs(key: string, id: string) {
  return route({
    key,
    id,
    summary: "Runs the jobs that have been due longest",
    answers,
    access: "internal",
    body: limited(100),
    handle: async ({ body }, { engine }) => answerOf(await engine.runDue(body.limit)),
  });
}

/** Receives messages of the queues and handles them in this request. */
export const pollSqs = route({
  key: "POST /internal/v1/poll-sqs",
  id: "pollSqs",
  summary: "Receives messages of the queues and handles them",
  answers,
  access: "internal",
  body: limited(10),
  handle: async ({ body }, { engine }) => answerOf(await engine.pollQueues(body.limit)),
});

/** Accepts the same event as the function `fire-schedule`. */
export const processScheduledMessage = route({
  key: "POST /internal/v1/process-scheduled-message",
  id: "processScheduledMessage",
  summary: "Fires a schedule",
  answers,
  access: "internal",
  body: z.unknown().check(z.describe('`{"fire": {"id": "<schedule>", "run": 1}}`; a repeat is skipped.')),
  handle: async ({ body }, { engine }) => answerOf(tally([await engine.fire(body)])),
});

function answerOf(tally: Tally): Answer {
  return { status: 200, body: envelope(tally) };
}
