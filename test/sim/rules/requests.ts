import { jobIdForKey } from "../../../lib/job/accept.ts";
import { SCHEDULE, type Job } from "../../../lib/job/job.ts";
import type { Execution } from "../../../lib/job/message.ts";
import type { PersonDoes } from "../action.ts";
import type { Known } from "./known.ts";
import { keyed } from "./writes.ts";

// The rules of requests: the answers that clients and people get.

/** A client's request, and the answer to it. */
export interface Accepted {
  readonly appId: string;
  readonly body: {
    readonly message: {
      readonly execution: Execution;
      readonly lambdaProxyMessage?: { readonly path: string } | undefined;
    };
  };
  readonly key: string | undefined;
  readonly status: number;
  readonly job?: Job | undefined;
}

/** Of a body that plans have; one that is sent inline is smaller. */
const LARGEST_READ = 200 * 1_024;

/** A client was told that its request is accepted. */
export function accepted(known: Known, { appId, body, key, status, job }: Accepted): void {
  const what = () => `${job?.id ?? key} of ${appId}, answered ${status}`;
  const { execution, lambdaProxyMessage } = body.message;
  const target = `${appId} ${pathOf(execution) ?? lambdaProxyMessage?.path}`;
  if (job) {
    known.answered.push(job);
    shown(known, appId, [job]);
    if (key !== undefined) keyed(known, appId, key, job.id);
    known.holds("what is accepted is stored", known.jobs.has(job.id) || known.deleted.has(job.id), what);
    if (execution.type === SCHEDULE) known.schedules.accepted(job, execution);
  } else if (execution.type === SCHEDULE) {
    known.schedules.carried(target, execution);
  } else {
    const isSent =
      known.messages.countTo(target) > 0 || (key !== undefined && known.messages.carries(jobIdForKey(appId, key)));
    // A large body is sent as a pointer, which names no target.
    known.holds("what is accepted is sent", isSent || JSON.stringify(body).length > LARGEST_READ, what);
  }
}

/** A person asks for a change of a job; a request for another app's job must change nothing. */
export function wanted(known: Known, appId: string, id: string, does: PersonDoes): void {
  const isTheirs = (known.jobs.get(id)?.appId ?? appId) === appId;
  if (isTheirs) known.asked.set(id, new Set([...(known.asked.get(id) ?? []), does]));
}

/** A user of an app is shown jobs. */
export function shown(known: Known, appId: string, seen: readonly Pick<Job, "id" | "appId">[]): void {
  for (const { id, appId: owner } of seen) {
    const isTheirs = owner === appId && (known.jobs.get(id)?.appId ?? appId) === appId;
    known.holds("nobody gets at the jobs of another app", isTheirs, () => `${id} is shown to ${appId}`);
  }
}

/** The path of a schedule's target. */
function pathOf(execution: Execution): string | undefined {
  const { targetJob } = execution as { targetJob?: { lambdaProxyMessage?: { path: string } } };
  return targetJob?.lambdaProxyMessage?.path;
}
