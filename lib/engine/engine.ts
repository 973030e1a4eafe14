import { atFirstUse } from "../job/at-first-use.ts";
import type { TimeLeft } from "../clock.ts";
import type { NewJob } from "../job/accept.ts";
import type { GroupPass } from "../job/group.ts";
import type { Job } from "../job/job.ts";
import type { StopStatus } from "../job/status.ts";
import type { Delivery, QueueRecord } from "../queue/delivery.ts";
import type { HowToRetry } from "./admin-actions.ts";
import { engineParts, type GivenParts, type EngineParts } from "./engine-parts.ts";
import type { beginWalk } from "./groups.ts";
import type { AtOnce } from "./run-at-once.ts";
import type { AskedRun, Wanted } from "./schedule-edits.ts";
import { submit } from "./submit.ts";
import type { SweepPart } from "./sweep.ts";
import type { Ran } from "./tally.ts";

/**
 * The life of a job: accepted (submit), run (deliveries, attempt), ended (follow-through), found again (sweep). A function
 * does few of these, so that each is loaded at its first use.
 */
export function createEngine(given: GivenParts) {
  const parts = engineParts(given);
  return {
    submit: async (request: NewJob, freshId?: string) => submit(request, parts, freshId),
    run: async (delivery: Delivery, timeLeft: TimeLeft) => (await deliveries()).run(delivery, timeLeft, parts),
    runBatch: async (records: readonly QueueRecord[], timeLeft: TimeLeft) =>
      (await deliveries()).runBatch(records, timeLeft, parts),
    recoverBatch: async (records: readonly QueueRecord[]) =>
      (await import("./dead-letters.ts")).recoverBatch(records, parts),
    fire: async (event: unknown) => fireEvent(event, parts),
    sweep: async (timeLeft: TimeLeft, part?: SweepPart) => (await import("./sweep.ts")).sweep(timeLeft, parts, part),
    runAtOnce: async (asked: AtOnce) => (await import("./run-at-once.ts")).runAtOnce(asked, parts),
    runDue: async (limit: number) => (await import("./run-here.ts")).runDue(limit, parts),
    pollQueues: async (limit: number) => (await import("./run-here.ts")).pollQueues(limit, parts),
    stopJob: async (id: string, as: StopStatus): Promise<Job | undefined> => (await actions()).stopJob(id, as, parts),
    retryJob: async (id: string, how?: HowToRetry) => (await actions()).retryJob(id, parts, how),
    retryJobOnce: async (id: string) => (await actions()).retryJobOnce(id, parts),
    deleteJob: async (id: string) => (await actions()).deleteJob(id, parts),
    sealGroup: async (id: string, expected: number | undefined) =>
      (await import("./group-actions.ts")).sealGroup(id, expected, parts),
    redriveGroup: async (id: string, bulkActionId: string) =>
      (await import("./group-actions.ts")).redriveGroup(id, bulkActionId, parts),
    /** A task's walk over the members of a group. */
    walks: {
      begin: async (appId: string, asked: Parameters<typeof beginWalk>[1]) =>
        (await groups()).beginWalk(appId, asked, parts),
      step: async (pass: GroupPass) => (await groups()).stepPass(pass, parts),
      conclude: async (pass: GroupPass) => (await groups()).concludePass(pass, parts),
    },
    editSchedule: async (id: string, wanted: Wanted) => (await edits()).editSchedule(id, wanted, parts),
    runSchedule: async (id: string, asked: AskedRun) => (await edits()).runSchedule(id, asked, parts),
  };
}

const deliveries = atFirstUse(async () => import("./deliveries.ts"));
const actions = async () => import("./admin-actions.ts");
const groups = async () => import("./groups.ts");
const edits = async () => import("./schedule-edits.ts");

/** Handles the event by which EventBridge fires a schedule. Throws BAD_REQUEST when it is not one. */
async function fireEvent(event: unknown, parts: EngineParts): Promise<Ran> {
  const [{ fire }, { parseFiring }] = await Promise.all([import("./firing.ts"), import("../queue/delivery.ts")]);
  return (await fire(parseFiring(event), parts)) === "fired" ? "succeeded" : "skipped";
}
