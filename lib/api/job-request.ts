import * as z from "zod";
import { badRequest, type ErrorDetail } from "../errors.ts";
import type { Asked } from "../executors/executor.ts";
import { executionTypeOf, jobFields } from "../executors/index.ts";
import { refuseTarget } from "../executors/target-url.ts";
import { SCHEDULE, type FollowUpJob, type FollowUps, type Message } from "../job.ts";
import { idempotencyKey } from "../message-schema.ts";

// What a client posts to have a job: its schema, and the message that becomes of it.

export const createJobBody = z.strictObject({
  appId: z.guid().toLowerCase().optional(),
  mode: z.enum(["sqs", "db", "both"]).default("both"),
  message: z.strictObject(jobFields.message),
  ...jobFields.followUps,
});

export type CreateJobBody = z.infer<typeof createJobBody>;

/** How deep follow-ups may follow each other. */
const LONGEST_CHAIN = 10;

/** The message as stored: checked beyond its shape, without what the service sets itself. */
export function messageOf(
  body: CreateJobBody,
  appId: string,
  keyHeader: string | undefined,
  asked: Omit<Asked, "mode">,
): Message {
  const { appId: _, mode, ...posted } = body;
  const whole = messageIn(posted as FollowUpJob);
  const problems = problemsOf(whole, { message: "message", beside: "" }, appId, { ...asked, mode });
  if (problems.length > 0) throw badRequest(problems);
  const { jobId: __, retryCount: ___, appId: ____, ...metadata } = body.message.metadata;
  const key = idempotencyKeyOf(metadata.idempotencyKey, keyHeader);
  return {
    ...whole,
    metadata: { ...metadata, ...(key !== undefined && { idempotencyKey: key }) } as Message["metadata"],
  };
}

/** A message and what was posted beside it, as one. */
function messageIn({ message, ...followUps }: FollowUpJob): Message {
  return { ...message, ...followUps };
}

/** Where a message stands in the request, and where what is beside it. */
interface Place {
  readonly message: string;
  readonly beside: string;
}

function problemsOf(message: Message, place: Place, appId: string, asked: Asked, depth = 0): ErrorDetail[] {
  const { execution, lambdaProxyMessage, metadata } = message;
  const type = executionTypeOf(execution.type);
  const problems = [...type.refuse(message, asked)];
  if (!lambdaProxyMessage && type.proxyMessage === "required") {
    problems.push({ field: "lambdaProxyMessage", message: `is required for execution.type ${execution.type}` });
  }
  // Accepted for compatibility; the service takes the app of the request.
  const { appId: named } = metadata as { appId?: string };
  if (named !== undefined && named !== appId) {
    problems.push({ field: "metadata.appId", message: "differs from the app of the request; leave it out" });
  }
  const target = execution.type === SCHEDULE ? (execution["targetJob"] as Message) : undefined;
  const inTarget = `${place.message}.execution.targetJob`;
  return [
    ...problems.map((problem) => ({ ...problem, field: `${place.message}.${problem.field}` })),
    ...(target ? problemsOf(target, { message: inTarget, beside: `${inTarget}.` }, appId, asked, depth) : []),
    ...followUpProblems(message, place.beside, appId, asked, depth),
  ];
}

function followUpProblems(followUps: FollowUps, at: string, appId: string, asked: Asked, depth: number): ErrorDetail[] {
  const { onComplete } = followUps;
  const given = (["onComplete", "onSuccess", "onFailure"] as const).filter((name) => followUps[name]);
  if (asked.mode === "sqs" && given.length > 0) {
    const message = "needs a job that is stored: use mode both or db";
    return given.map((name) => ({ field: at + name, message }));
  }
  const refused = onComplete
    ? refuseTarget(`${at}onComplete.url`, onComplete.url, asked.rules.allowPrivateTargets)
    : [];
  const next = (["onSuccess", "onFailure"] as const).flatMap((name) => {
    const followUp = followUps[name];
    if (!followUp) return [];
    if (depth === LONGEST_CHAIN)
      return [{ field: at + name, message: `must not be more than ${LONGEST_CHAIN} follow-ups deep` }];
    const place = { message: `${at}${name}.message`, beside: `${at}${name}.` };
    return problemsOf(messageIn(followUp), place, appId, asked, depth + 1);
  });
  return [...refused, ...next];
}

function idempotencyKeyOf(inBody: string | undefined, inHeader: string | undefined): string | undefined {
  if (inHeader === undefined) return inBody;
  const parsed = idempotencyKey.safeParse(inHeader);
  if (!parsed.success)
    throw badRequest([{ field: "Idempotency-Key", message: "expected 1 to 255 printable ASCII characters" }]);
  if (inBody !== undefined && inBody !== inHeader) {
    const message = "differs from the Idempotency-Key header; send one of them, or the same in both";
    throw badRequest([{ field: "message.metadata.idempotencyKey", message }]);
  }
  return inHeader;
}
