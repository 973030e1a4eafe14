import * as z from "../../zod.ts";
import { DAY, iso, type EpochMs } from "../../clock.ts";
import { badRequest, type ErrorDetail } from "../../errors.ts";
import type { Asked, ExecutionType } from "../../executors/executor.ts";
import { executionTypeOf, jobFields } from "../../executors/index.ts";
import { refuseTarget } from "../../outbound/target-url.ts";
import { SCHEDULE, TASK, isLong } from "../../job/job.ts";
import { LONGEST_DELAY, startAskedFor, type Terms } from "../../job/accept.ts";
import { idempotencyKey } from "../../executors/message-schema.ts";
import type { FollowUpJob, FollowUps, Message } from "../../job/message.ts";

// The request for a job: its schema, and its conversion to the stored message.

export const createJobBody = z
  .strictObject({
    appId: z.optional(
      z.guid().check(z.toLowerCase(), z.describe("Default: the token's. Another one is for PLATFORM_ADMIN.")),
    ),
    mode: z._default(
      z
        .enum(["sqs", "db", "both"])
        .check(z.describe("`both` stores the job and sends it, `db` stores it, `sqs` only sends it.")),
      "both",
    ),
    message: z.strictObject(jobFields.message),
    ...jobFields.followUps,
  })
  .register(z.globalRegistry, { id: "CreateJob" });

export type CreateJobBody = z.infer<typeof createJobBody>;

/** The longest chain of follow-ups. */
const LONGEST_CHAIN = 10;

/** A message to store, and how its job is run. */
interface Checked {
  readonly message: Message;
  readonly terms: (now: EpochMs) => Terms;
}

/** The message of a request: checked beyond its shape, without the fields that the service sets itself. */
export async function messageOf(
  body: CreateJobBody,
  appId: string,
  keyHeader: string | undefined,
  asked: Omit<Asked, "mode" | "appId">,
): Promise<Checked> {
  const { appId: _, mode, ...posted } = body;
  const { jobId: __, retryCount: ___, ...metadata } = body.message.metadata;
  const key = keyOf(metadata.idempotencyKey, keyHeader, "message.metadata.idempotencyKey");
  const keyed = { ...metadata, ...(key !== undefined && { idempotencyKey: key }) } as Message["metadata"];
  const whole = { ...messageIn(posted as FollowUpJob), metadata: keyed };
  const type = await executionTypeOf(whole.execution);
  const place = { message: "message", beside: "" };
  const problems = await problemsOf(whole, type, place, { ...asked, mode, appId, keys: [] });
  if (problems.length > 0) throw badRequest(problems);
  const { appId: ____, ...kept } = keyed as Message["metadata"] & { appId?: string };
  return { message: { ...whole, metadata: kept }, terms: (now) => type.terms(whole.execution, now) };
}

function messageIn({ message, ...followUps }: FollowUpJob): Message {
  return { ...message, ...followUps };
}

/** The paths of a message and of its follow-ups within the request. */
interface Place {
  readonly message: string;
  readonly beside: string;
}

/** The context of the whole request; `keys` are the idempotency keys of the jobs above a message. */
interface Within extends Asked {
  readonly keys: readonly (string | undefined)[];
  /** The message is the target of a schedule. */
  readonly isTarget?: boolean;
}

async function problemsOf(message: Message, type: ExecutionType, place: Place, within: Within): Promise<ErrorDetail[]> {
  const { execution, lambdaProxyMessage, metadata } = message;
  // A malformed schedule has no terms, and no schedule is long.
  const long = execution.type === SCHEDULE ? [] : longProblems(message, type, within);
  const problems = [
    ...(await type.refuse(message, within)),
    ...long,
    ...timeProblems(message, within),
    ...keepProblems(message, within),
  ];
  if (!lambdaProxyMessage && type.proxyMessage === "required") {
    problems.push({ field: "lambdaProxyMessage", message: `is required for execution.type ${execution.type}` });
  }
  // Accepted for compatibility; the app of the request applies.
  const { appId: named, idempotencyKey: key } = metadata as Message["metadata"] & { appId?: string };
  if (named !== undefined && named !== within.appId) {
    problems.push({ field: "metadata.appId", message: "differs from the app of the request; leave it out" });
  }
  if (key !== undefined && within.keys.includes(key)) {
    const reason = "is the key of the job that this one hangs on, and so would be that job; use another";
    problems.push({ field: "metadata.idempotencyKey", message: reason });
  }
  problems.push(...memberProblems(message, place, within));
  const below = { ...within, keys: [...within.keys, key], isTarget: false };
  const target = execution.type === SCHEDULE ? (execution["targetJob"] as Message) : undefined;
  const inTarget = `${place.message}.execution.targetJob`;
  return [
    ...problems.map((problem) => ({ ...problem, field: `${place.message}.${problem.field}` })),
    ...(target
      ? await problemsIn(target, { message: inTarget, beside: `${inTarget}.` }, { ...below, isTarget: true })
      : []),
    ...(await followUpProblems(message, place.beside, below)),
  ];
}

/** What is no member of a group: a job that nothing stores, and one that follows from another or recurs. */
function memberProblems({ execution, metadata }: Message, place: Place, { mode }: Within): ErrorDetail[] {
  if (metadata.group === undefined) return [];
  const refused = (message: string) => [{ field: "metadata.group", message }];
  if (mode === "sqs") return refused("needs a job that is stored: use mode both or db");
  if (place.message !== "message") return refused("is for jobs that are posted themselves; leave it out here");
  return execution.type === SCHEDULE ? refused("is not for schedules: post the jobs of the group themselves") : [];
}

/** The problems of a message within another one. */
async function problemsIn(message: Message, place: Place, within: Within): Promise<ErrorDetail[]> {
  return problemsOf(message, await executionTypeOf(message.execution), place, within);
}

/** Long attempts have a queue of their own, which carries no unstored jobs and keeps no order. */
function longProblems({ execution, metadata }: Message, type: ExecutionType, { mode, now }: Within): ErrorDetail[] {
  const { timeoutMs } = type.terms(execution, now);
  if (!isLong({ executionType: type.type, timeoutMs })) return [];
  const [field, what] =
    type.type === TASK ? ["execution.type", "a task"] : ["execution.timeoutSeconds", "an attempt of more than 60 s"];
  const { messageGroupId: group } = metadata;
  return [
    ...(mode === "sqs" ? [{ field, message: `${what} needs a job that is stored: use mode both or db` }] : []),
    ...(group !== undefined && group !== type.type
      ? [{ field: "metadata.messageGroupId", message: `asks for an order, which ${what} can't keep: leave it out` }]
      : []),
  ];
}

const TIMES = ["delaySeconds", "notBefore", "notAfter"] as const;

/** The table keeps the times of a job; a schedule has times of its own, for its target too. */
function timeProblems({ execution, metadata }: Message, { mode, now, isTarget }: Within): ErrorDetail[] {
  const of = (name: string, message: string) => ({ field: `metadata.${name}`, message });
  const given = TIMES.filter((name) => metadata[name] !== undefined);
  if (mode === "sqs") return given.map((name) => of(name, "needs a job that is stored: use mode both or db"));
  if (isTarget || execution.type === SCHEDULE) {
    return given.map((name) => of(name, "does not go with a schedule, whose expression says when its jobs start"));
  }
  const { notBefore, notAfter, delaySeconds } = metadata;
  if (notBefore !== undefined && delaySeconds !== undefined)
    return [of("delaySeconds", "stands beside notBefore: give one of them")];
  const start = Math.max(startAskedFor(metadata, now) ?? now, now);
  if (start > now + LONGEST_DELAY + YEARS_DIFFER) return [of("notBefore", "is more than a year ahead; check the year")];
  if (notAfter === undefined || Date.parse(notAfter) >= start) return [];
  const passed = start === now ? `has passed: it is now ${iso(now)}` : `is before its start, ${iso(start)}`;
  return [of("notAfter", `${passed}; give a later time`)];
}

/** By so much, a year may be longer than another. */
const YEARS_DIFFER = DAY;

/** A job that keeps an answer is stored, and calls something that answers it. */
function keepProblems({ execution, metadata }: Message, { mode }: Within): ErrorDetail[] {
  if (metadata.keepResponse !== true) return [];
  const problem = (message: string) => [{ field: "metadata.keepResponse", message }];
  if (mode === "sqs") return problem("needs a job that is stored: use mode both or db");
  if (execution.type === TASK) return problem("is for jobs that get an answer: the result of a task is kept anyway");
  if (execution.type === SCHEDULE) return problem("is for jobs that get an answer: set it in the target job");
  if (execution["invocationType"] !== "Event") return [];
  return problem("is for jobs that get an answer, which an Event does not: take invocationType RequestResponse");
}

/** Whether the parent will have what the follow-up is to get, and the follow-up room for it. */
function bodyProblems(
  { message, bodyFrom: from }: FollowUpJob,
  name: "onSuccess" | "onFailure",
  parent: Message,
): [field: string, message: string][] {
  if (from === undefined) return [];
  const { execution, lambdaProxyMessage: request } = message;
  if (execution.type === TASK) return [["bodyFrom", "is for jobs that send a body: a task has a payload"]];
  if (request && request.body !== null)
    return [["message.lambdaProxyMessage.body", "stands beside bodyFrom, which gives the body: expected null"]];
  if (from === "parent") return [];
  if (name === "onFailure") return [["bodyFrom", `is ${from}, which a job that fails does not have: take parent`]];
  if (from === "parent.result" && parent.execution.type !== TASK)
    return [["bodyFrom", "is parent.result, which only a task has: take parent.response, or parent"]];
  if (from === "parent.response" && parent.metadata.keepResponse !== true)
    return [["bodyFrom", "is parent.response, which the parent does not keep: set its keepResponse to true"]];
  return [];
}

async function followUpProblems(parent: Message, at: string, within: Within): Promise<ErrorDetail[]> {
  const followUps: FollowUps = parent;
  const { onComplete } = followUps;
  const given = (["onComplete", "onSuccess", "onFailure"] as const).filter((name) => followUps[name]);
  if (within.mode === "sqs" && given.length > 0) {
    const message = "needs a job that is stored: use mode both or db";
    return given.map((name) => ({ field: at + name, message }));
  }
  const refused = onComplete ? await refuseTarget(`${at}onComplete.url`, new URL(onComplete.url), within.rules) : [];
  const nextOf = async (name: "onSuccess" | "onFailure"): Promise<ErrorDetail[]> => {
    const followUp = followUps[name];
    if (!followUp) return [];
    if (depthOf(at) === LONGEST_CHAIN)
      return [{ field: at + name, message: `must not be more than ${LONGEST_CHAIN} follow-ups deep` }];
    const ofBody = bodyProblems(followUp, name, parent).map(([field, message]) => ({
      field: `${at}${name}.${field}`,
      message,
    }));
    if (ofBody.length > 0) return ofBody;
    return problemsIn(messageIn(followUp), { message: `${at}${name}.message`, beside: `${at}${name}.` }, within);
  };
  return [...refused, ...(await nextOf("onSuccess")), ...(await nextOf("onFailure"))];
}

function depthOf(place: string): number {
  return place.split(/\bon(?:Success|Failure)\./).length - 1;
}

/** The idempotency key of a request; `field` is its path in the body. */
export function keyOf(inBody: string | undefined, inHeader: string | undefined, field: string): string | undefined {
  if (inHeader === undefined) return inBody;
  const parsed = idempotencyKey.safeParse(inHeader);
  if (!parsed.success)
    throw badRequest([{ field: "Idempotency-Key", message: "expected 1 to 255 printable ASCII characters" }]);
  if (inBody !== undefined && inBody !== inHeader) {
    const message = "differs from the Idempotency-Key header; send one of them, or the same in both";
    throw badRequest([{ field, message }]);
  }
  return inHeader;
}
