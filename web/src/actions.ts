import { api } from "./api/http.ts";
import { client } from "./api/query.ts";
import type { BulkAction, Job } from "./api/shapes.ts";
import { ofApp } from "./me.ts";
import { sentenceOf } from "./parts/notices.tsx";
import { toast } from "./parts/toasts.tsx";

// What people can do to jobs. A refusal says the service's sentence; what is shown is asked for again.

export type Act = "retry" | "cancel" | "deadletter" | "delete";

type Acted = Pick<Job, "id" | "executionType">;

/** True if the service did it. */
export async function actOn({ id, executionType }: Acted, act: Act): Promise<boolean> {
  const path = `v1/admin/jobs/${id}`;
  const done = await told(async () => {
    if (act === "delete") await api(path, { method: "DELETE" });
    else if (executionType === "group")
      await api(`v1/groups/${id}/${act === "retry" ? "redrive" : act}`, { method: "POST" });
    else await api(`${path}/${act}`, { method: "POST" });
    return true;
  });
  await refresh();
  return done ?? false;
}

export type BulkAct = BulkAction["action"];

/** Begins a bulk action on all jobs that fit; throws what the service says. */
export async function bulk(action: BulkAct, filter: object): Promise<BulkAction> {
  return api<BulkAction>(`v1/admin/jobs/${action}`, { method: "POST", body: { ...filter, ...ofApp() } });
}

/** Runs an action; what it throws is told. */
export async function told<T>(act: () => Promise<T>): Promise<T | undefined> {
  try {
    return await act();
  } catch (error) {
    toast(sentenceOf(error), { tone: "dead" });
    return undefined;
  }
}

/** Asks again for what is shown. */
export async function refresh(): Promise<void> {
  await client.invalidateQueries({ refetchType: "active" });
}

/** What may be done to a job in this status. */
export function actsOn({ status, executionType }: Pick<Job, "status" | "executionType">): readonly Act[] {
  // A schedule and a group make no attempts: they can be ended.
  if ((executionType === "schedule" || executionType === "group") && !/^(?:FAILED|SUCCEEDED|CANCELLED)$/.test(status))
    return ["cancel"];
  if (executionType === "schedule") return ["delete"];
  switch (status) {
    case "FAILED":
    case "DEAD":
      return ["retry", "delete"];
    case "SUCCEEDED":
    case "CANCELLED":
      return ["delete"];
    case "RETRYING":
    case "PENDING":
      return ["retry", "cancel", "deadletter"];
    case "RUNNING":
      return ["cancel", "deadletter"];
    default:
      return status satisfies never;
  }
}
