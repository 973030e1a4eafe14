import * as z from "zod";
import { tally, type Tally } from "../run-here.ts";
import { envelope, route, type Answer } from "./http.ts";

// What an operator, or a scheduler of one's own, may have run at once: spec/hybrid-queue-migration.md.

const limited = (most: number) => z.strictObject({ limit: z.int().min(1).max(most).default(10) }).prefault({});

export const runJobs = runDueJobs("POST /internal/v1/jobs/run");
export const runDbJobs = runDueJobs("POST /internal/v1/run-db-jobs");

/** Claims and runs due jobs in this request. */
function runDueJobs(key: string) {
  return route({
    key,
    access: "internal",
    body: limited(100),
    handle: async ({ body }, { engine }) => tallied(await engine.runDue(body.limit)),
  });
}

/** Receives messages of the queues and handles them in this request. */
export const pollSqs = route({
  key: "POST /internal/v1/poll-sqs",
  access: "internal",
  body: limited(10),
  handle: async ({ body }, { engine }) => tallied(await engine.pollQueues(body.limit)),
});

/** Takes the event that `fire-schedule` gets. */
export const processScheduledMessage = route({
  key: "POST /internal/v1/process-scheduled-message",
  access: "internal",
  body: z.unknown(),
  handle: async ({ body }, { engine }) => tallied(tally([await engine.fire(body)])),
});

function tallied(tally: Tally): Answer {
  return { status: 200, body: envelope(tally) };
}
