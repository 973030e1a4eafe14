import { unmarshall } from "@aws-sdk/util-dynamodb";
import { createHash } from "node:crypto";
import type { RunningAttempt } from "../../lib/executors/executor.ts";
import type { Job } from "../../lib/job/job.ts";
import { jobOf } from "../../lib/store/job-item.ts";
import type { Item } from "./models/dynamodb-value.ts";
import type { Outcome } from "../../lib/job/attempt.ts";

// The outcomes of a run: the final status, the attempts and the retries of every job. With faults off they stay the
// same when the service changes its calls. Jobs are named by their posts, since ids are drawn.

export interface Outcomes {
  readonly written: (after: Item | undefined) => void;
  readonly ran: (attempt: RunningAttempt, outcome: Outcome | undefined) => void;
  /** One a job, sorted. `posted`: the jobs of posts. */
  readonly lines: (posted: ReadonlyMap<number, string>) => string[];
}

export function createOutcomes(): Outcomes {
  /** By id and creation: a job that is posted again after its deletion has the same id. */
  const jobs = new Map<string, Job>();
  /** The attempts of each job id. */
  const attempts = new Map<string, { readonly subject: string; readonly ends: string[] }>();

  function lines(posted: ReadonlyMap<number, string>): string[] {
    const posts = new Map([...posted].toReversed().map(([n, id]) => [id, `post ${n}`]));
    const parents = new Map([...jobs.values()].map(({ id, parentJobId }) => [id, parentJobId]));
    const nameOf = (id: string): string => {
      const parent = parents.get(id);
      const own = posts.get(id) ?? attempts.get(id)?.subject ?? "a job";
      return parent === undefined ? own : `${own} of ${nameOf(parent)}`;
    };
    const ids = new Set([...jobs.values()].map(({ id }) => id));
    const stored = [...jobs.values()].map((job) => `${nameOf(job.id)}: ${endOf(job)}`);
    const carried = [...attempts].filter(([id]) => !ids.has(id));
    const sent = carried.map(([, { subject, ends }]) => `${subject}, not stored: ${ends.join(", ")}`);
    return [...stored, ...sent].toSorted();
  }

  return {
    written: (after) => {
      if (after?.["sk"]?.S !== "J") return;
      const job = jobOf(unmarshall(after));
      jobs.set(`${job.id} ${job.createdAt}`, job);
    },
    ran: (attempt, outcome) => {
      const known = attempts.get(attempt.jobId) ?? { subject: subjectOf(attempt), ends: [] };
      known.ends.push(outcome?.kind ?? "threw");
      attempts.set(attempt.jobId, known);
    },
    lines,
  };
}

function endOf({ executionType, status, attempts, retryCount, runs }: Job): string {
  const fired = runs === undefined ? "" : `, runs ${runs}`;
  return `${executionType} ${status}, attempts ${attempts}, retries ${retryCount}${fired}`;
}

/** The work of an attempt, as its message says it: the same in every run of a plan. */
export function subjectOf({ job, message }: RunningAttempt): string {
  const { lambdaProxyMessage, execution } = message;
  const { payload, priority } = execution as { payload?: unknown; priority?: unknown };
  return `${job.appId} ${lambdaProxyMessage?.path ?? JSON.stringify([payload, priority])}`;
}

export function digestOf(lines: readonly string[]): string {
  return createHash("sha256").update(lines.join("\n")).digest("hex").slice(0, 16);
}
