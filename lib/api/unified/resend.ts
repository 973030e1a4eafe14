import * as z from "../../zod.ts";
import { ClientError, badRequest } from "../../errors.ts";
import type { TaskExecution } from "../../executors/task.ts";
import type { NewJob } from "../../job/accept.ts";
import { BULK_ACTION, TASK, type Job } from "../../job/job.ts";
import { masked, maskedAddress } from "../../job/masking.ts";
import type { Message } from "../../job/message.ts";
import { namedHeaders } from "../../job/multi-values.ts";
import { jobObject, type Change } from "../../store/audit.ts";
import { enveloped, jobEntity } from "../http/answers.ts";
import { requireRole } from "../http/auth.ts";
import { refuseChanging, refuseHalfPairs } from "../http/body.ts";
import { route, type Answer } from "../http/http.ts";
import { acceptJob, accepted } from "./accept-job.ts";
import { renamed } from "./batch.ts";
import { keptBodies } from "./flat-bodies.ts";
import { flatDetail } from "./flat-job.ts";
import type { CreateJobBody } from "./job-request.ts";
import { ownJob } from "./own-job.ts";
import { changedPayload, changedRequest, resendBody, urlOf, type Resend } from "./resent-request.ts";

// A job sent again as another one, with changes or without.

/** When the old job was to start, and which job it was, is not for another one; nor is its place in a group. */
const NOT_COPIED: ReadonlySet<string> = new Set(["idempotencyKey", "delaySeconds", "notBefore", "notAfter", "group"]);

export const resendJob = route({
  key: "POST /v1/admin/jobs/{id}/resend",
  id: "resendJob",
  summary: "Sends a job again as a new one, with changes or without; the old one stays as it is",
  answers: {
    200: enveloped(jobEntity).check(z.describe("The key was there already: the job that has it.")),
    201: enveloped(jobEntity).check(z.describe("The new job; `resentFrom` names the old one.")),
  },
  refusals: ["CONFLICT", "UNPROCESSABLE_ENTITY"],
  idempotent: true,
  examples: (url) => ({
    "as it was": {},
    "to another address, with another body": {
      url: `${url}/moved`,
      headers: { "x-reason": "moved" },
      body: { orderId: "123" },
    },
  }),
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  body: resendBody,
  asWritten: keptBodies,
  checksValues: true,

  async handle({ path, caller, body: asked, headers }, service): Promise<Answer> {
    const { "idempotency-key": key, traceparent } = headers;
    const { body, ...rest } = asked;
    refuseChanging(rest, "body");
    refuseHalfPairs({ body }, "body");
    const job = await ownJob(path["id"], caller, service);
    refuseKind(job);
    const stored = await service.store.message(job);
    const posted = changed(stored, asked, job.appId);
    const by = { key, traceparent, shape: "flat" } as const;
    const result = await acceptJob(posted, caller, by, service, copiedFrom(job)).catch((error: unknown) => {
      throw renamed(error, flatDetail);
    });
    if (result.status === 201 && result.job) {
      const changes = [{ field: "resentAs", from: null, to: result.job.id }, ...changesOf(stored, posted, asked)];
      const entry = { by: caller.sub, action: "job.resend", object: jobObject(job), changes };
      await service.audit.record(job.appId, entry);
    }
    return accepted(result);
  },
});

const SENT_AGAIN: readonly string[] = ["rest-api", "lambda-url", "lambda-invoke", TASK];

/** Throws CONFLICT for a job without a request of its own. */
function refuseKind({ executionType, jobType, quick }: Job): void {
  const reason = "not_resendable";
  if (!SENT_AGAIN.includes(executionType)) {
    const message = `A ${executionType} can't be sent again: ask for another one, or send a job again that came of it`;
    throw new ClientError("CONFLICT", message, [], { reason });
  }
  if (quick) throw new ClientError("CONFLICT", "What a quick job was about is not kept: post it again", [], { reason });
  if (jobType === BULK_ACTION) {
    throw new ClientError("CONFLICT", "A bulk action can't be sent again: ask for another one", [], { reason });
  }
}

/** What `POST /v1/jobs/create` would get for the new job. */
function changed(stored: Message, asked: Resend, appId: string): CreateJobBody {
  const { lambdaProxyMessage, execution, metadata, onComplete, onSuccess, onFailure } = stored;
  const kept = Object.fromEntries(Object.entries(metadata).filter(([name]) => !NOT_COPIED.has(name)));
  if (stored.refusal !== undefined && asked.body === undefined)
    throw badRequest([{ field: "body", message: "is missing: the job never got the body of the job it follows" }]);
  const message =
    execution.type === TASK
      ? { execution: changedPayload(execution as TaskExecution, asked) }
      : changedRequest({ execution, request: lambdaProxyMessage }, asked);
  const followUps = {
    ...(onComplete && { onComplete }),
    ...(onSuccess && { onSuccess }),
    ...(onFailure && { onFailure }),
  };
  const { key: idempotencyKey, notBefore } = asked;
  const own = {
    ...kept,
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    ...(notBefore !== undefined && { notBefore }),
  };
  return { appId, mode: "both", message: { ...message, metadata: own }, ...followUps } as unknown as CreateJobBody;
}

/** What the new job has of the old one beside its message. */
function copiedFrom({ id, userId, dialect, pdf }: Job): Partial<NewJob> {
  return {
    resentFrom: id,
    ...(userId !== undefined && { userId }),
    ...(dialect !== undefined && { dialect }),
    ...(pdf && { pdf }),
  };
}

/** Bodies are named, and not kept a second time. */
function changesOf(stored: Message, posted: CreateJobBody, asked: Resend): Change[] {
  const to = posted.message as unknown as Message;
  const headersOf = ({ lambdaProxyMessage: sent }: Message) => masked(sent ? namedHeaders(sent) : {});
  const unkept = { from: null, to: null, omitted: true } as const;
  return [
    ...(asked.url === undefined
      ? []
      : [{ field: "url", from: maskedAddress(urlOf(stored)), to: maskedAddress(urlOf(to)) }]),
    ...(asked.headers ? [{ field: "headers", from: headersOf(stored), to: headersOf(to) }] : []),
    ...(asked.body === undefined ? [] : [{ field: "body", ...unkept }]),
    ...(asked.payload ? [{ field: "payload", ...unkept }] : []),
    ...(asked.notBefore === undefined ? [] : [{ field: "notBefore", from: null, to: asked.notBefore }]),
  ];
}
