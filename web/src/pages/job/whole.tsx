import type { ComponentChildren } from "preact";
import { api } from "../../api/http.ts";
import { useQuery } from "../../api/query.ts";
import type { JobDetail } from "../../api/shapes.ts";
import { Refreshing, Skeleton } from "../../parts/notices.tsx";

// A job's page asks for the beginning of a long body alone. What needs all of it asks for the whole job.

export async function wholeJob(id: string, signal?: AbortSignal): Promise<JobDetail> {
  return api<JobDetail>(`v1/admin/jobs/${id}`, { ...(signal && { signal }) });
}

export function Whole({
  job,
  children,
}: {
  readonly job: JobDetail;
  children: (whole: JobDetail) => ComponentChildren;
}) {
  const { id, bodyLength } = job;
  const isCut = bodyLength !== undefined;
  const asked = useQuery({ key: ["whole job", id], ask: async (signal) => wholeJob(id, signal), enabled: isCut });
  const whole = isCut ? asked.data : job;
  if (whole) return <>{children(whole)}</>;
  return asked.isPending ? <Skeleton rows={3} /> : <Refreshing query={asked} />;
}
