import type { GroupRef } from "../job/group.ts";
import { isFinished, isSchedule, type Job } from "../job/job.ts";
import { after, type Move } from "../job/move.ts";
import type { AppStore } from "./app-store.ts";
import { spend } from "./budgets.ts";
import { jobKey, slotsKey } from "./job-keys.ts";
import type { Expressions, Write } from "./table.ts";

// The writes that some moves make in one transaction with that of their job.

export type Slot = NonNullable<Move["slot"]>;

interface Parts {
  readonly apps?: Pick<AppStore, "settingsOf">;
}

/** The count of a recurring schedule in or out of those of its app, where a move ends it, edits it or lets it go on. */
export async function countOf(job: Job, move: Move, parts: Parts): Promise<Write | undefined> {
  if (!isSchedule(job)) return undefined;
  const [was, is] = [isCounted(job), isCounted(after(job, move))];
  return was === is ? undefined : counted(job, is ? 1 : -1, parts);
}

function isCounted(job: Job): boolean {
  return job.recurring === true && !isFinished(job);
}

export async function counted({ appId }: Job, by: 1 | -1, { apps }: Parts): Promise<Write> {
  const settings = by > 0 ? await apps?.settingsOf(appId) : undefined;
  return spend(appId, "SCHEDULES", { used: { by, most: settings?.recurringSchedules ?? null } });
}

/** Tells a group that a count of its members must begin anew. */
export function rejoining({ id, createdAt }: GroupRef): Write {
  const by = {
    UpdateExpression: "ADD checks :one",
    ConditionExpression: "attribute_exists(pk) AND createdAt = :createdAt",
    values: { ":one": 1, ":createdAt": createdAt },
  };
  return { update: jobKey(id), by };
}

/** Takes a task slot of the app, or gives it back. */
export function slotWrite(job: Job, slot: Slot): Write {
  return { update: slotsKey(job.appId, job.isUrgent), by: slotExpressions(job.id, slot) };
}

/** The ids of running tasks are a set: a task is in it once, however often it is added. */
function slotExpressions(jobId: string, slot: Slot): Expressions {
  const holder = { ":holder": new Set([jobId]) };
  if (slot === "back") return { UpdateExpression: "DELETE holders :holder", values: holder };
  return {
    UpdateExpression: "ADD holders :holder",
    ConditionExpression: "attribute_not_exists(holders) OR size(holders) < :of",
    values: { ...holder, ":of": slot.of },
  };
}
