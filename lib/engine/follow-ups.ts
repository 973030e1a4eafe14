import { derivedUuid, type Clock } from "../clock.ts";
import type { Link } from "../files/file-store.ts";
import type { JobStore } from "../store/job-store.ts";
import { pdfWebhook } from "../pdf/view.ts";
import { wholeEntityOf, withoutRequest } from "../job/view.ts";
import { owed, type Job } from "../job/job.ts";
import { after, settleEnd } from "../job/moves.ts";
import type { Callback, FollowUp, FollowUpJob, FollowUps, Message } from "../job/message.ts";
import type { NewJob } from "../job/accept.ts";

// What a job's end leaves to do: a callback with its final view, the next job of a chain, expiry dates.

const CALLBACK_RETRIES = 3;
/** A larger view travels without the request that the job made. */
const LARGEST_VIEW = 256 * 1_024;

interface Parts {
  readonly store: JobStore;
  readonly clock: Clock;
  readonly retention: number;
  readonly link: Link;
  /** Accepts a job under an id unless its own key gives it another; answers with the one that has the id. */
  readonly submit: (request: NewJob, id: string) => Promise<Job>;
}

/**
 * Does what a job's end has left to do, and notes that. Whoever ends a job does so at once; if they don't
 * live to, the sweep does. Ids that follow from this ending make a repeat change nothing; the time is in
 * them because a job that was deleted, and posted again with its key, ends for the first time again.
 */
export async function settleUp(job: Job, parts: Parts): Promise<void> {
  const { store, clock, retention, submit } = parts;
  const names = owed(job);
  const message = names.length > 0 ? await store.message(job) : undefined;
  const submitted: string[] = [];
  for (const name of names) {
    const request = await requestOf(job, message ?? {}, name, parts);
    const followUp = await submit(request, derivedUuid(job.id, String(job.createdAt), String(job.endings), name));
    submitted.push(followUp.id);
  }
  const settled = settleEnd(job, submitted, clock.now(), retention);
  await store.expireParts(after(job, settled));
  await store.apply(job, settled);
}

async function requestOf(job: Job, message: FollowUps, name: FollowUp, parts: Parts): Promise<NewJob> {
  const followUp = message[name];
  if (!followUp) throw new Error(`Job ${job.id} owes ${name}, which its message does not have`);
  const asked = "url" in followUp ? await callbackOf(job, followUp, parts) : chainedOf(followUp);
  const { appId, dialect } = job;
  return { appId, mode: "both", message: asked, parentJobId: job.id, ...(dialect === "pdf" && { dialect }) };
}

function chainedOf({ message, ...followUps }: FollowUpJob): Message {
  return { ...message, ...followUps };
}

/** The job as the unified API shows it. */
async function entityText(job: Job, { store }: Parts): Promise<string> {
  const recorded = (await store.history(job.id))?.recorded ?? new Map();
  const view = wholeEntityOf(job, await store.message(job), recorded);
  const whole = JSON.stringify(view);
  return Buffer.byteLength(whole) > LARGEST_VIEW ? JSON.stringify(withoutRequest(view)) : whole;
}

/** A webhook with the job as it ended. */
async function callbackOf(job: Job, { url, headers }: Callback, parts: Parts): Promise<Message> {
  const { origin, pathname: path, search } = new URL(url);
  const body = job.dialect === "pdf" ? JSON.stringify(await pdfWebhook(job, parts)) : await entityText(job, parts);
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
