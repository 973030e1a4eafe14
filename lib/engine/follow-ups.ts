import { derivedUuid } from "../clock.ts";
import type { NewJob } from "../job/accept.ts";
import { owed, type EndedJob, type Job } from "../job/job.ts";
import type { Callback, FollowUp, FollowUpJob, Message } from "../job/message.ts";
import { childOf } from "../job/trace.ts";
import { after } from "../job/move.ts";
import { settleEnd } from "../job/moves.ts";
import { asGroup } from "../job/group-moves.ts";
import type { EngineParts } from "./engine-parts.ts";
import { releaseMembers } from "./group-pass.ts";
import { viewText, withParentBody } from "./parent-body.ts";
import { submit } from "./submit.ts";

// The follow-ups of a job that has ended: a callback with its final view, the next job of a chain, expiry dates.

const CALLBACK_RETRIES = 3;

/**
 * Submits the follow-ups that a job's end owes, dates its attachments and a group's members, and notes both. The worker that ended the job does
 * so at once; if it dies, the sweep does. Follow-ups have ids derived from this ending, so that a repeat changes
 * nothing. The job's time is in them because a job that was deleted and posted again ends for the first time again.
 */
export async function settle(job: EndedJob, parts: EngineParts): Promise<void> {
  const { store, clock, retention } = parts;
  const names = owed(job);
  const message = names.length > 0 ? await store.message(job) : undefined;
  const submitted: string[] = [];
  for (const name of names) {
    const request = await requestOf(job, message ?? {}, name, parts);
    const id = derivedUuid(job.id, String(job.createdAt), String(job.endings), name);
    const followUp = await submit(request, parts, id);
    if (followUp.kind === "sent") throw new Error("A follow-up is always stored");
    submitted.push(followUp.job.id);
  }
  const group = asGroup(job);
  if (group) await releaseMembers(group, parts);
  const settled = settleEnd(job, submitted, clock.now(), retention);
  await store.expireAttachments(after(job, settled));
  await store.apply(job, settled);
}

async function requestOf(job: Job, message: Partial<Message>, name: FollowUp, parts: EngineParts): Promise<NewJob> {
  const followUp = message[name];
  if (!followUp) throw new Error(`Job ${job.id} owes ${name}, which its message does not have`);
  const made = "url" in followUp ? await callbackOf(job, followUp, parts) : await chainedOf(job, followUp, parts);
  // Of the same trace, as children of the last attempt.
  const { traceparent } = message;
  const asked = traceparent === undefined ? made : { ...made, traceparent: childOf(traceparent, job.id, job.attempts) };
  const { appId, dialect, createdBy } = job;
  const isOfDialect = dialect !== undefined && parts.callbackBodies[dialect] !== undefined;
  return { appId, mode: "both", message: asked, parentJobId: job.id, createdBy, ...(isOfDialect && { dialect }) };
}

async function chainedOf(
  job: Job,
  { message, bodyFrom, ...followUps }: FollowUpJob,
  parts: EngineParts,
): Promise<Message> {
  const whole = { ...message, ...followUps };
  return bodyFrom === undefined ? whole : withParentBody(whole, bodyFrom, job, parts);
}

/** A webhook with the job as it ended. */
async function callbackOf(job: Job, { url, headers }: Callback, parts: EngineParts): Promise<Message> {
  const { origin, pathname: path, search } = new URL(url);
  const body = await viewText(job, parts);
  return {
    lambdaProxyMessage: {
      body,
      resource: "/{proxy+}",
      path: path + search,
      httpMethod: "POST",
      isBase64Encoded: false,
      pathParameters: {},
      headers: { "content-type": "application/json", ...headers },
      requestContext: { path, resourcePath: "/{proxy+}", httpMethod: "POST" },
    },
    execution: { type: "rest-api", baseUrl: origin, timeoutSeconds: 30 },
    metadata: { maxRetries: CALLBACK_RETRIES },
  };
}
