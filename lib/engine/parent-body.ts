import { isUtf8 } from "node:buffer";
import type { Job } from "../job/job.ts";
import type { BodyFrom, Message } from "../job/message.ts";
import { namedHeaders } from "../job/multi-values.ts";
import { wholeEntityOf, withoutRequest } from "../job/view.ts";
import type { EngineParts } from "./engine-parts.ts";

// What a follow-up gets of the job that it follows.

/** A larger view travels without the request that the job made. */
const LARGEST_VIEW = 256 * 1_024;

interface Body {
  readonly bytes: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

const JSON_HEADERS = { "content-type": "application/json" };

/** The message with the parent's body, or one that says why there is none: its job is created, and fails with that. */
export async function withParentBody(
  message: Message,
  from: BodyFrom,
  parent: Job,
  parts: EngineParts,
): Promise<Message> {
  const body = await bodyFrom(from, parent, parts);
  if (typeof body === "string") return { ...message, refusal: body };
  const { lambdaProxyMessage: request } = message;
  if (!request) throw new Error(`A follow-up of job ${parent.id} has a body and no request`);
  const own = new Set(Object.keys(namedHeaders(request)).map((name) => name.toLowerCase()));
  const added = Object.entries(body.headers).filter(([name]) => !own.has(name));
  const isBase64Encoded = !isUtf8(body.bytes);
  const text = Buffer.from(body.bytes).toString(isBase64Encoded ? "base64" : "utf8");
  const headers = { ...Object.fromEntries(added), ...request.headers };
  return { ...message, lambdaProxyMessage: { ...request, headers, body: text, isBase64Encoded } };
}

/** A text says why there is none. */
async function bodyFrom(from: BodyFrom, parent: Job, parts: EngineParts): Promise<Body | string> {
  switch (from) {
    case "parent":
      return { bytes: Buffer.from(await viewText(parent, parts)), headers: JSON_HEADERS };
    case "parent.result": {
      const result = parent.success?.result;
      if (result === undefined) return `Job ${parent.id}, which this one follows, has no result`;
      return { bytes: Buffer.from(result), headers: JSON_HEADERS };
    }
    case "parent.response":
      return responseOf(parent, parts);
    default:
      return from satisfies never;
  }
}

async function responseOf(parent: Job, { store }: EngineParts): Promise<Body | string> {
  const { missing, contentType, contentEncoding } = parent.success?.response ?? {};
  const whose = `The answer of job ${parent.id}, which this one follows,`;
  if (missing === "too large") return `${whose} has over 256 KB and was not kept: have it answer with an address`;
  if (missing === "incomplete") return `${whose} broke off and was not kept`;
  const bytes = await store.response(parent);
  if (!bytes) return `${whose} was not kept`;
  const headers = {
    ...(contentType !== undefined && { "content-type": contentType }),
    ...(contentEncoding !== undefined && { "content-encoding": contentEncoding }),
  };
  return { bytes, headers };
}

/** The job as its dialect or the unified API shows it. */
export async function viewText(job: Job, parts: EngineParts): Promise<string> {
  const ofDialect = job.dialect && parts.callbackBodies[job.dialect];
  return ofDialect ? JSON.stringify(await ofDialect(job)) : entityText(job, parts);
}

async function entityText(job: Job, { store }: EngineParts): Promise<string> {
  const recorded = (await store.history(job.id))?.recorded ?? new Map();
  const view = wholeEntityOf(job, await store.message(job), recorded);
  const whole = JSON.stringify(view);
  return Buffer.byteLength(whole) > LARGEST_VIEW ? JSON.stringify(withoutRequest(view)) : whole;
}
