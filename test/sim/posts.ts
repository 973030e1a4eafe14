import { createJobBody } from "../../lib/api/unified/job-request.ts";
import { acceptJob } from "../../lib/api/unified/accept-job.ts";
import { submitTask } from "../../lib/api/tasks/tasks.ts";
import { SECOND, iso } from "../../lib/clock.ts";
import { ClientError } from "../../lib/errors.ts";
import type { Job } from "../../lib/job/job.ts";
import type { Metadata } from "../../lib/job/message.ts";
import type { ServiceParts } from "../../lib/parts.ts";
import type { Action } from "./action.ts";
import { callerOf, serviceIn, type ClientParts } from "./client-parts.ts";
import { START } from "./cloud.ts";
import { APPS } from "./requests.ts";

// Clients that post jobs.

/** The most tries of a request that gets no answer. */
const MOST_TRIES = 4;

/** A client repeats a request that got no answer, with the same key. */
export async function post(parts: ClientParts, action: Action & { kind: "post" }): Promise<void> {
  const appId = APPS[action.app] ?? "";
  const body = dated(action.body);
  const { key, submit } = "message" in body ? asked(parts, appId, body) : askedByUser(parts, appId, body as TypedBody);
  for (let tries = 0; tries < (key === undefined ? 1 : MOST_TRIES); tries += 1) {
    const answered = await parts.invoke("api", async (container) => {
      return submit(serviceIn(container)).catch((error: unknown) => {
        if (error instanceof ClientError) return { status: 400, message: error.message, job: undefined } as const;
        throw error;
      });
    });
    if (answered) {
      parts.trace(`client is answered ${answered.status} ${answered.job?.id ?? ""}`);
      if (answered.job) parts.posted.set(action.n, answered.job.id);
      return;
    }
    await parts.time.pass(parts.random.between(1, 20) * SECOND);
  }
}

/** A request for a job of any type, by its message. */
function asked(parts: ClientParts, appId: string, from: object): Asked {
  const body = createJobBody.parse(from);
  const { lambdaProxyMessage, metadata } = body.message;
  const key = metadata.idempotencyKey;
  if (lambdaProxyMessage) parts.invariants.posting(`${appId} ${lambdaProxyMessage.path}`, metadata as Metadata);
  const submit = async (service: ServiceParts) => {
    const answered = await acceptJob(body, callerOf(parts, appId), {}, service);
    parts.invariants.accepted({ appId, body, key, ...answered });
    return answered;
  };
  return { key, submit };
}

/** A user's request for a task. Its key makes the id, but is not kept as the job's. */
function askedByUser(parts: ClientParts, appId: string, { execution, maxRetries, startAt, key }: TypedBody): Asked {
  const at = startAt === undefined ? {} : { startAt: Date.parse(startAt) };
  const task = { appId, userId: "user", execution, maxRetries, ...(key !== undefined && { key }), ...at };
  const submit = async (service: ServiceParts) => {
    const { job } = await submitTask(task, service);
    parts.invariants.accepted({ appId, body: { message: { execution } }, key: undefined, status: 201, job });
    return { status: 201, job } as const;
  };
  return { key, submit };
}

function dated(body: object): object {
  const time = (offset: number) => iso(START + Math.round(offset / SECOND) * SECOND);
  return JSON.parse(JSON.stringify(body), (_, value: unknown) => {
    if (typeof value !== "string" || value.length > LONGEST_OFFSET) return value;
    if (/^\+\d+$/.test(value)) return time(Number(value));
    return value.replace(/^at\((\+\d+)\)$/, (_all, offset: string) => `at(${time(Number(offset)).slice(0, 19)})`);
  }) as object;
}

/** A request, to be sent once or, with its key, again. */
interface Asked {
  readonly key: string | undefined;
  readonly submit: (service: ServiceParts) => Promise<{ readonly status: number; readonly job?: Job | undefined }>;
}

/** A user's request for a task. */
interface TypedBody {
  readonly execution: { readonly type: "task"; readonly jobType: string };
  readonly maxRetries: number;
  readonly startAt?: string;
  readonly key?: string;
}

/** Of the text that stands for a time in a plan. */
const LONGEST_OFFSET = 40;
