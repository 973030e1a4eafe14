import { badRequest } from "../errors.ts";
import type { Payload, WaitingJob } from "../job/job.ts";
import type { AttemptRef, RunRef } from "../job/attempt.ts";

/** What a message brings: the name of an attempt of a stored job, or a job that nothing else stores. */
export type Delivery =
  | { readonly kind: "stored"; readonly ref: AttemptRef }
  | { readonly kind: "carried"; readonly job: WaitingJob; readonly receiveCount: number }
  | Firing;

/** A schedule's time has come: a run of a stored one, or one that carries its target job itself. */
export type Firing =
  | { readonly kind: "run"; readonly ref: RunRef }
  | { readonly kind: "target"; readonly target: WaitingJob };

/** A message as Lambda hands it over. */
export interface QueueRecord {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  readonly attributes: { readonly ApproximateReceiveCount: string; readonly MessageGroupId?: string | undefined };
  readonly eventSourceARN: string;
}

/** Reads a message of ours. Throws on anything else: the dead-letter queue is where that belongs. */
export function parseRecord(record: QueueRecord): Delivery {
  const delivery = deliveryOf(fromJson(record.body), Number(record.attributes.ApproximateReceiveCount));
  if (delivery) return delivery;
  throw new Error(`Message ${record.messageId} is not of ours: expected an object with "attempt", "job" or "fire"`);
}

/** Reads the event by which EventBridge fires a schedule. Throws on anything else. */
export function parseFiring(event: unknown): Firing {
  const delivery = deliveryOf(event, 1);
  if (delivery?.kind === "run" || delivery?.kind === "target") return delivery;
  throw badRequest([{ field: "body", message: 'expected {"fire": {"id": "<id of a schedule>", "run": <number>}}' }]);
}

function deliveryOf(message: unknown, receiveCount: number): Delivery | undefined {
  if (!isObject(message)) return undefined;
  const { attempt, job, fire, Payload: event } = message;
  // EventBridge's dead letters hold its whole call of the function.
  if (event !== undefined) return deliveryOf(typeof event === "string" ? fromJson(event) : event, receiveCount);
  if (isObject(attempt) && typeof attempt["id"] === "string") {
    return { kind: "stored", ref: attempt as unknown as AttemptRef };
  }
  if (isObject(job) && typeof job["id"] === "string") return { kind: "carried", job: carriedJob(job), receiveCount };
  if (!isObject(fire)) return undefined;
  const { target, id, run } = fire;
  // An operator may post such an event by hand.
  if (target !== undefined) return isCarried(target) ? { kind: "target", target: carriedJob(target) } : undefined;
  if (!isJobId(id)) return undefined;
  return typeof run === "number" && Number.isSafeInteger(run) ? { kind: "run", ref: { id, run } } : undefined;
}

function isCarried(value: unknown): value is Record<string, unknown> {
  if (!isObject(value)) return false;
  const { id, appId, executionType, payload } = value;
  const isComplete = isJobId(id) && typeof appId === "string" && typeof executionType === "string";
  return isComplete && (typeof payload === "string" || isObject(payload));
}

function isJobId(value: unknown): value is string {
  return typeof value === "string" && /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/.test(value);
}

function carriedJob({ payload, ...job }: Record<string, unknown>): WaitingJob {
  const kept: Payload =
    typeof payload === "string" ? { at: "inline", bytes: Buffer.from(payload, "base64") } : (payload as Payload);
  return { ...job, payload: kept } as unknown as WaitingJob;
}

/** What JSON.parse says quotes the text; that must not end in a log. */
function fromJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
