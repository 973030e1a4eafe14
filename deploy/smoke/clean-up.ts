import { waitFor } from "./api.ts";
import type { Smoke } from "./check.ts";

const FINISHED = ["SUCCEEDED", "FAILED", "DEAD", "CANCELLED"];

/** Deletes all that the checks have made and the API can delete. Returns lines that tell what became of it. */
export async function cleanUp(on: Smoke): Promise<string[]> {
  const { api, app, jobs, secretId, left } = on;
  const kept: string[] = [];
  const remove = async (name: string, path: string, before?: () => Promise<unknown>) => {
    try {
      await before?.();
      const { status } = await api.call("DELETE", path);
      if (status !== 200 && status !== 404) kept.push(`${name}: DELETE answered ${status}`);
    } catch (error) {
      kept.push(`${name}: ${(error as Error).message}`);
    }
  };
  for (const id of jobs) await remove(`job ${id}`, `/v1/admin/jobs/${id}`, async () => ended(id, on));
  if (secretId !== undefined) await remove("the signing secret", `/v1/admin/apps/${app}/signing-secrets/${secretId}`);
  const gone = jobs.size - kept.filter((line) => line.startsWith("job ")).length;
  return [
    `Deleted ${gone} of ${jobs.size} jobs`,
    ...[...kept, ...left].map((line) => `      left: ${line}`),
    ...(jobs.size === 0 ? [] : ["      left: entries of the app's audit log, for as long as AUDIT_DAYS says"]),
  ];
}

/** Cancels a job that has not ended, since only what has ended can be deleted. */
async function ended(id: string, { api, withinMs, say }: Smoke): Promise<void> {
  const look = async () => {
    const { status, body } = await api.call("GET", `/v1/admin/jobs/${id}`);
    const seen = status === 404 ? "CANCELLED" : String(body?.data?.status ?? status);
    return FINISHED.includes(seen) ? { found: seen } : { seen: `the job is ${seen}` };
  };
  if ("found" in (await look())) return;
  await api.call("POST", `/v1/admin/jobs/${id}/cancel`);
  await waitFor(look, { withinMs, say });
}
