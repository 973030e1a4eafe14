import * as z from "../zod.ts";
import { FINAL_STATUSES } from "../job/status.ts";
import { isBase64 } from "../job/base64.ts";
import { badRequest } from "../errors.ts";
import type { WaitingJob } from "../job/job.ts";
import type { AttemptRef, RunRef } from "../job/attempt.ts";

/** A message: the name of an attempt of a stored job, a job that nothing else stores, or the name of a group. */
export type Delivery =
  | { readonly kind: "stored"; readonly ref: AttemptRef }
  | { readonly kind: "carried"; readonly job: WaitingJob; readonly receiveCount: number }
  | { readonly kind: "group"; readonly look: GroupLook }
  | Firing;

/** A look at a group. `tries`: the looks before it that found the index behind. */
export interface GroupLook {
  readonly id: string;
  readonly tries?: number;
}

/**
 * The firing of a schedule: a run of a stored one, or one that carries its target job. `receiveCount` is 0 for a call of
 * the function that EventBridge could not make.
 */
export type Firing =
  | { readonly kind: "firing"; readonly ref: RunRef }
  | { readonly kind: "target"; readonly target: WaitingJob; readonly receiveCount: number };

/** A message as Lambda hands it over. */
export interface QueueRecord {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  readonly attributes: { readonly ApproximateReceiveCount: string; readonly MessageGroupId?: string | undefined };
  readonly eventSourceARN: string;
}

/** Parses a message of the service. Throws for any other, which belongs in the dead-letter queue. */
export function parseRecord(record: QueueRecord): Delivery {
  const delivery = deliveryOf(fromJson(record.body), Number(record.attributes.ApproximateReceiveCount));
  if (delivery) return delivery;
  throw new Error(
    `Message ${record.messageId} is not of ours: expected an object with "attempt", "job", "group" or "fire"`,
  );
}

/** Parses the event by which EventBridge fires a schedule. Throws BAD_REQUEST for any other. */
export function parseFiring(event: unknown): Firing {
  const delivery = deliveryOf(event, 1);
  if (delivery?.kind === "firing" || delivery?.kind === "target") return delivery;
  throw badRequest([{ field: "body", message: 'expected {"fire": {"id": "<id of a schedule>", "run": <number>}}' }]);
}

function deliveryOf(message: unknown, receiveCount: number): Delivery | undefined {
  // EventBridge's dead letters hold its whole call of the function, which was not received.
  if (typeof message === "object" && message !== null && "Payload" in message) {
    const { Payload: event } = message;
    return deliveryOf(typeof event === "string" ? fromJson(event) : event, receiveCount - 1);
  }
  const parsed = body.safeParse(message);
  if (!parsed.success) return undefined;
  const { data } = parsed;
  if ("attempt" in data) return { kind: "stored", ref: data.attempt };
  if ("group" in data) return { kind: "group", look: data.group };
  // What was sent again counts as received before.
  if ("job" in data) return { kind: "carried", job: data.job, receiveCount: receiveCount + (data.again ? 1 : 0) };
  return "target" in data.fire
    ? { kind: "target", target: data.fire.target, receiveCount }
    : { kind: "firing", ref: data.fire };
}

/** The errors of JSON.parse quote the text, which must not end in a log. */
function fromJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

// ---- The schemas of messages: other fields are left out ----

const jobId = z.string().check(z.regex(/^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/));
const time = z.number();
const count = z.int().check(z.minimum(0));

const refFields = {
  id: jobId,
  appId: z.string(),
  attempt: z.int().check(z.minimum(1)),
  timeoutMs: z.number(),
  notAfter: z.exactOptional(time),
  isLarge: z.exactOptional(z.literal(true)),
};

const attemptRef = z.union([
  z.object({
    ...refFields,
    destination: z.string(),
    ordered: z.exactOptional(z.literal(true)),
    turn: z.exactOptional(
      z.object({
        at: time,
        step: time,
        place: z.exactOptional(z.int()),
        share: z.exactOptional(z.string()),
        both: z.exactOptional(z.literal(true)),
      }),
    ),
    slots: z.exactOptional(z.string()),
    rank: z.exactOptional(z.never()),
  }),
  z.object({ ...refFields, rank: z.string(), isUrgent: z.exactOptional(z.literal(true)) }),
]) satisfies z.ZodMiniType<AttemptRef>;

const payload = z.union([
  z.pipe(
    z.string().check(z.refine(isBase64)),
    z.transform((bytes) => ({ at: "inline", bytes: Buffer.from(bytes, "base64") }) as const),
  ),
  z.object({ at: z.enum(["item", "s3"]), hash: z.string() }),
]);

/** A job at its acceptance, in mode `sqs` or as the target of a schedule. */
const carriedJob = z.object({
  id: jobId,
  appId: z.string(),
  executionType: z.string(),
  destination: z.string(),
  status: z.literal("PENDING"),
  payload,
  createdAt: time,
  updatedAt: time,
  startAt: time,
  dueAt: z.exactOptional(time),
  attempts: count,
  retryCount: count,
  maxRetries: count,
  retry: z.exactOptional(z.object({ baseDelaySeconds: z.number(), maxDelaySeconds: z.number(), jitter: z.number() })),
  timeoutMs: z.number(),
  idempotencyKey: z.exactOptional(z.string()),
  isLarge: z.exactOptional(z.literal(true)),
  parentJobId: z.exactOptional(z.string()),
  createdBy: z.exactOptional(z.string()),
  scheduledAt: z.exactOptional(time),
  labels: z.exactOptional(z.array(z.string())),
  owes: z.exactOptional(
    z.partialRecord(z.enum(["onComplete", "onSuccess", "onFailure"]), z.array(z.enum(FINAL_STATUSES))),
  ),
}) satisfies z.ZodMiniType<WaitingJob>;

const groupLook = z.object({ id: jobId, tries: z.exactOptional(count) }) satisfies z.ZodMiniType<GroupLook>;

const body = z.union([
  z.object({ attempt: attemptRef }),
  z.object({ group: groupLook }),
  z.object({ job: carriedJob, again: z.exactOptional(z.literal(true)) }),
  z.object({ fire: z.union([z.object({ target: carriedJob }), z.object({ id: jobId, run: z.int() })]) }),
]);
