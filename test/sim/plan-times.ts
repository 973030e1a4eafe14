import { HOUR, MINUTE, SECOND } from "../../lib/clock.ts";
import { HEAD_START } from "../../lib/job/job.ts";
import type { Plan } from "./plan.ts";
import { MOST_RETRIES } from "./requests.ts";

// The times of a plan: from when on it has no faults, and by when it has ended.

/** An attempt with its longest delay: it waits, is lost twice, and its lease runs out. */
const LONGEST_ATTEMPT = 240 * SECOND + 2 * HEAD_START + 45 * SECOND;
/** Of plans. */
const LONGEST_FREEZE = 3 * MINUTE;
/** A job, its follow-up, and the follow-up of that. */
const LONGEST_CHAIN = 3;

/** A group whose messages were lost is looked at after 1, 2 and 4 hours; one that was opened again, once more. */
const LONGEST_GROUP = 16 * HOUR;

/** The latest end: a job that was overdue while there were faults waits as long again. */
export function latestEnd(plan: Plan): number {
  const { faultsEndAt } = plan;
  return (
    (hasGroups(plan) ? LONGEST_GROUP : 0) +
    faultsEndAt +
    LONGEST_CHAIN * ((MOST_RETRIES + 1) * LONGEST_ATTEMPT + faultsEndAt)
  );
}

export function hasGroups({ actions }: Plan): boolean {
  return actions.some(({ kind }) => kind === "group");
}

/** From when on no call fails, no process dies, and no process is frozen. */
export function quietAfter(plan: Plan): number {
  const isQuiet = isCalm(plan) && plan.actions.every(({ kind }) => kind !== "empty");
  return isQuiet ? 0 : afterFaults(plan);
}

export function afterFaults({ faultsEndAt }: Plan): number {
  return faultsEndAt + LONGEST_FREEZE + MINUTE;
}

export function isCalm({ faultRate, actions }: Plan): boolean {
  return faultRate === 0 && actions.every(({ kind }) => kind !== "kill" && kind !== "freeze" && kind !== "outage");
}
