import * as z from "../zod.ts";
import type { GroupPass } from "../job/group.ts";
import { GROUP_AUDIT } from "../job/job.ts";
import { again, defineTask, done } from "./task.ts";

const payload = z.lazy(() =>
  z.strictObject({
    group: z.guid(),
    work: z.enum(["count", "release"]),
    tries: z._default(z.int().check(z.minimum(0)), 0),
  }),
);

/** Of the index that has the members. */
const PARTITIONS = 16;

/**
 * Walks over the members of a large group: counts those that have ended, and ends the group with the last of them, or
 * gives them their expiry dates once it has ended.
 */
export const groupAudit = defineTask({
  jobType: GROUP_AUDIT,
  summary: "Counts the members of a large group, for the service itself",
  payload,
  // No user has this permission by default; the service asks for it as each group needs it.
  permission: "jobs.bulk_actions",
  isUrgent: true,

  async run({ group, work, tries }, context) {
    const { groups, signal } = context;
    const saved = context.saved as GroupPass | undefined;
    // A walk that is over, and has found members that were not ready, begins anew.
    let pass = saved && !saved.isDone ? saved : await groups.begin({ id: group, work, tries });
    if (!pass) return done({ work, members: 0 });
    while (!pass.isDone) {
      signal.throwIfAborted();
      pass = await groups.step(pass);
      // The names of failed members would be too many for a checkpoint.
      await context.checkpoint({ ...pass, failedJobIds: [] });
      await context.progress(pass.partition, PARTITIONS, { label: `${pass.counts.total} members` });
    }
    if (work === "count") await groups.conclude(pass);
    else if (pass.open > 0) return again(`${pass.open} members have not ended yet`);
    return done({ work, members: pass.counts.total });
  },
});
