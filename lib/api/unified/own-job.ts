import * as z from "../../zod.ts";
import { ClientError } from "../../errors.ts";
import type { Job } from "../../job/job.ts";
import type { ServiceParts } from "../../parts.ts";
import { appOf, isPlatformAdmin, type Caller } from "../http/auth.ts";

/** The job of an id. NOT_FOUND also for the jobs of other apps, so that no caller learns which ids exist. */
export async function ownJob(
  id: string | undefined,
  caller: Caller,
  { store }: Pick<ServiceParts, "store">,
): Promise<Job> {
  const appId = appOf(caller);
  const parsed = z.guid().check(z.toLowerCase()).safeParse(id);
  const job = parsed.success ? await store.get(parsed.data) : undefined;
  if (job && (job.appId === appId || isPlatformAdmin(caller))) return job;
  throw new ClientError("NOT_FOUND", "No such job");
}
