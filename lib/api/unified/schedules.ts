import * as z from "../../zod.ts";
import { badRequest } from "../../errors.ts";
import { isFinished, isPaused, isSchedule } from "../../job/job.ts";
import { enveloped } from "../http/answers.ts";
import { appOf, requireRole, type Caller } from "../http/auth.ts";
import { parse, refuseChanging } from "../http/body.ts";
import { route, type Answer } from "../http/http.ts";
import { PATCH_TYPES, mergePatch } from "../http/merge-patch.ts";
import { keyTaken, recordCreated } from "./accept-job.ts";
import {
  acted,
  answer,
  changed,
  circumstances,
  jobAt,
  otherVersion,
  record,
  scheduleAt,
  wantedVersion,
  type AskedBy,
} from "./schedule-changes.ts";
import { keptBodies, withoutBodies } from "./flat-bodies.ts";
import { messageFor, scheduleBody, type ScheduleBody } from "./schedule-request.ts";
import { scheduleShown } from "./schedule-view.ts";

// Schedules by their keys: put, shown, changed, paused, resumed and deleted. They are jobs of the type `schedule`.

/** Keys that need no escaping in a path, and stay one part of it. */
const NEW_KEY = /^[\w.:@~-]{1,255}$/;

export const appQuery = z.strictObject({
  appId: z.optional(
    z.guid().check(z.toLowerCase(), z.describe("Default: the token's. Another one is for PLATFORM_ADMIN.")),
  ),
});

const shown = enveloped(scheduleShown);
const access = (caller: Caller) => requireRole(caller, "APP_ADMIN");

// ---- PUT /v1/schedules/{key} ----

export const putSchedule = route({
  key: "PUT /v1/schedules/{key}",
  id: "putSchedule",
  summary: "Makes a schedule, or makes it what the request says; one that has ended starts anew",
  answers: {
    200: shown.check(z.describe("The schedule as it is then. One that was so already is not changed.")),
    201: shown.check(z.describe("The schedule, which is new.")),
  },
  refusals: ["CONFLICT"],
  versioned: true,
  access,
  query: appQuery,
  body: scheduleBody,
  asWritten: keptBodies,
  checksValues: true,
  examples: (url) => ({
    "every night": {
      expression: "0 2 * * *",
      timezone: "Asia/Seoul",
      overlap: "skip",
      job: { url: `${url}/nightly`, body: { task: "nightly" } },
    },
    "every five minutes, three times": { expression: "rate(5 minutes)", maxRuns: 3, job: { url } },
  }),

  async handle({ path, query, body, caller, headers }, service): Promise<Answer> {
    const asked = { appId: appOf(caller, query.appId), caller, service };
    refuseChanging(withoutBodies(body), "body");
    const key = path["key"] ?? "";
    const version = wantedVersion(headers["if-match"], body.version);
    const found = await jobAt(key, asked);
    if (!found) return create(key, body, version, asked);
    if (!isSchedule(found)) throw keyTaken(found, key);
    return changed(found.id, version, () => body, asked);
  },
});

async function create(key: string, body: ScheduleBody, version: number | undefined, asked: AskedBy): Promise<Answer> {
  const { appId, caller, service } = asked;
  if (version !== undefined) throw otherVersion(version, "there is no such schedule");
  if (!NEW_KEY.test(key)) {
    const message = "expected 1 to 255 of the letters A to Z and a to z, digits, and . _ : @ ~ -";
    throw badRequest([{ field: "key", message }]);
  }
  const { message, terms } = await messageFor(body, undefined, key, await circumstances(asked));
  const pause = body.paused ? { pause: { reason: body.pauseReason } } : {};
  const request = { appId, mode: "both", message, terms, createdBy: caller.sub, ...pause } as const;
  const { kind, job } = await service.engine.submit(request);
  // Somebody else was faster.
  if (kind === "replayed" && !isSchedule(job)) throw keyTaken(job, key);
  if (kind === "replayed") return changed(job.id, undefined, () => body, asked);
  await recordCreated(job, message, caller.sub, service);
  return answer(201, job, service);
}

// ---- GET, PATCH, DELETE /v1/schedules/{key} ----

export const getSchedule = route({
  key: "GET /v1/schedules/{key}",
  id: "getSchedule",
  summary: "Shows a schedule",
  answers: { 200: shown.check(z.describe("The schedule.")) },
  access,
  query: appQuery,

  async handle({ path, query, caller }, service): Promise<Answer> {
    const job = await scheduleAt(path["key"], { appId: appOf(caller, query.appId), caller, service });
    return answer(200, job, service);
  },
});

const patchBody = z.record(z.string(), z.unknown()).register(z.globalRegistry, {
  id: "PatchSchedule",
  description: "A merge patch (RFC 7396) of a PutSchedule: null takes a field away.",
});

export const patchSchedule = route({
  key: "PATCH /v1/schedules/{key}",
  id: "patchSchedule",
  summary: "Changes some of a schedule; what is left out stays as it is",
  answers: { 200: shown.check(z.describe("The schedule as it is then.")) },
  refusals: ["CONFLICT"],
  versioned: true,
  access,
  query: appQuery,
  body: patchBody,
  bodyTypes: PATCH_TYPES,
  examples: () => ({ "another time": { expression: "0 3 * * *" }, "at most ten times": { maxRuns: 10 } }),

  async handle({ path, query, body, caller, headers }, service): Promise<Answer> {
    const asked = { appId: appOf(caller, query.appId), caller, service };
    const { id } = await scheduleAt(path["key"], asked);
    const { version: named, ...patch } = body;
    const version = wantedVersion(headers["if-match"], parse(scheduleBody.shape.version, named, "version"));
    return changed(id, version, (shownNow) => parse(scheduleBody, mergePatch(shownNow, patch), "body"), asked, patch);
  },
});

export const deleteSchedule = route({
  key: "DELETE /v1/schedules/{key}",
  id: "deleteSchedule",
  summary: "Ends a schedule and deletes it; its key is free again",
  answers: { 200: shown.check(z.describe("The schedule as it was. Jobs that it has made go on.")) },
  refusals: ["CONFLICT"],
  access,
  query: appQuery,

  async handle({ path, query, caller }, service): Promise<Answer> {
    const job = await scheduleAt(path["key"], { appId: appOf(caller, query.appId), caller, service });
    const deleted = await answer(200, job, service);
    if (!isFinished(job)) await service.engine.stopJob(job.id, "CANCELLED");
    await service.engine.deleteJob(job.id);
    await record(job, "schedule.deleted", [{ field: job.id, from: job.status, to: null }], caller, service);
    return deleted;
  },
});

// ---- POST /v1/schedules/{key}/pause, /resume ----

const pauseBody = z._default(
  z.strictObject({
    reason: z.optional(z.string().check(z.maxLength(500), z.describe("For those who find it paused."))),
  }),
  {},
);

export const pauseSchedule = route({
  key: "POST /v1/schedules/{key}/pause",
  id: "pauseSchedule",
  summary: "Pauses a schedule: it makes no runs",
  answers: { 200: shown.check(z.describe("The schedule, PAUSED.")) },
  refusals: ["CONFLICT"],
  versioned: true,
  access,
  query: appQuery,
  body: pauseBody,
  examples: () => ({ "with a reason": { reason: "The shop is closed" } }),

  async handle({ path, query, body, caller, headers }, service): Promise<Answer> {
    const asked = { appId: appOf(caller, query.appId), caller, service };
    const { id } = await scheduleAt(path["key"], asked);
    const version = wantedVersion(headers["if-match"], undefined);
    const { reason } = body;
    return acted(id, "schedule.paused", version, asked, (job) => {
      const isSo = isPaused(job) && (reason === undefined || reason === job.pauseReason);
      return isSo ? undefined : { pause: { reason } };
    });
  },
});

const resumeBody = z.prefault(
  z.strictObject({
    missed: z._default(
      z
        .enum(["skip", "once", "all"])
        .check(
          z.describe(
            "What becomes of the runs that the pause has missed: by default none is made, `all` makes up to 100.",
          ),
        ),
      "skip",
    ),
  }),
  {},
);

export const resumeSchedule = route({
  key: "POST /v1/schedules/{key}/resume",
  id: "resumeSchedule",
  summary: "Ends a pause",
  answers: { 200: shown.check(z.describe("The schedule, ACTIVE; ENDED if the pause has missed its last run.")) },
  refusals: ["CONFLICT"],
  versioned: true,
  access,
  query: appQuery,
  body: resumeBody,
  examples: () => ({ "one run for all that were missed": { missed: "once" } }),

  async handle({ path, query, body, caller, headers }, service): Promise<Answer> {
    const asked = { appId: appOf(caller, query.appId), caller, service };
    const { id } = await scheduleAt(path["key"], asked);
    const version = wantedVersion(headers["if-match"], undefined);
    return acted(id, "schedule.resumed", version, asked, (job) =>
      isPaused(job) ? { pause: null, missed: body.missed } : undefined,
    );
  },
});
