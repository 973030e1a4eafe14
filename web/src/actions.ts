import { api } from "./api/http.ts";
import { client } from "./api/query.ts";
import type { BulkAction, Job } from "./api/shapes.ts";
import { ofApp } from "./me.ts";
import { sentenceOf } from "./parts/notices.tsx";
import { toast } from "./parts/toasts.tsx";

// What people can do to jobs. A refusal says the service's sentence; what is shown is asked for again.

export type Act = "retry" | "cancel" | "deadletter" | "delete";

export async function actOn(id: string, act: Act): Promise<Job | undefined> {
  const path = `v1/admin/jobs/${id}`;
  const done = await told(async () =>
    act === "delete" ? api<Job>(path, { method: "DELETE" }) : api<Job>(`${path}/${act}`, { method: "POST" }),
  );
  await refresh();
  return done;
}

/** Begins a bulk action on all jobs that fit; throws what the service says. */
export async function bulk(action: "redrive" | "cancel", filter: object): Promise<BulkAction> {
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
export function actsOn({ status }: Pick<Job, "status">): readonly Act[] {
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
