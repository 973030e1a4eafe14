import type { RunningAttempt } from "../../lib/executors/executor.ts";
import type { TaskExecution } from "../../lib/executors/task.ts";
import type { Outcome } from "../../lib/job/attempt.ts";
import { GROUP_AUDIT } from "../../lib/job/job.ts";
import { groupAudit } from "../../lib/tasks/group-audit.ts";
import type { TaskContext } from "../../lib/tasks/task.ts";
import type { Engine } from "./process.ts";

// Walks over groups by the task that the service has for them, with an engine that dies.

export function isGroupAudit({ job }: RunningAttempt): boolean {
  return job.jobType === GROUP_AUDIT;
}

/** `onSave`: an attempt asks to save a checkpoint; then it knows that it is saved. */
export async function auditGroup(
  attempt: RunningAttempt<TaskExecution>,
  { walks }: Engine,
  onSave: (saved: string, stage: "asked" | "done") => void,
): Promise<Outcome> {
  const { job, lease, signal, message } = attempt;
  const payload = groupAudit.payload.parse(message.execution.payload);
  const context = {
    groups: { ...walks, begin: async (asked: Parameters<typeof walks.begin>[1]) => walks.begin(job.appId, asked) },
    saved: job.saved === undefined ? undefined : (JSON.parse(job.saved) as unknown),
    signal,
    progress: async () => {},
    checkpoint: async (value: unknown) => {
      const saved = JSON.stringify(value);
      onSave(saved, "asked");
      await lease?.save(saved);
      signal.throwIfAborted();
      onSave(saved, "done");
    },
  };
  const outcome = await groupAudit.run(payload, context as unknown as TaskContext);
  if (outcome.kind === "done") return { kind: "succeeded", result: JSON.stringify(outcome.result) };
  return { kind: outcome.kind === "again" ? "retry" : "rejected", error: outcome.error };
}
