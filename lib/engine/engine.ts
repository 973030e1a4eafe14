import type { TimeLeft } from "../clock.ts";
import type { NewJob } from "../job/accept.ts";
import type { GroupPass } from "../job/group.ts";
import type { Job } from "../job/job.ts";
import type { StopStatus } from "../job/status.ts";
import { parseFiring, type Delivery, type QueueRecord } from "../queue/message.ts";
import { deleteJob, retryJob, retryJobOnce, stopJob, type HowToRetry } from "./admin-actions.ts";
import { recoverBatch } from "./dead-letters.ts";
import { run, runBatch } from "./deliveries.ts";
import { fire } from "./firing.ts";
import { redriveGroup, sealGroup } from "./group-actions.ts";
import { beginWalk, concludePass, stepPass } from "./groups.ts";
import { engineParts, type GivenParts, type EngineParts } from "./engine-parts.ts";
import { runAtOnce, type AtOnce } from "./run-at-once.ts";
import { pollQueues, runDue } from "./run-here.ts";
import { editSchedule, runSchedule, type AskedRun, type Wanted } from "./schedule-edits.ts";
import { submit } from "./submit.ts";
import { sweep, type SweepPart } from "./sweep.ts";
import type { Ran } from "./tally.ts";

/** The life of a job: accepted (submit), run (deliveries, attempt), ended (follow-through), found again (sweep). */
export function createEngine(given: GivenParts) {
  const parts = engineParts(given);
  return {
    submit: async (request: NewJob, freshId?: string) => submit(request, parts, freshId),
    run: async (delivery: Delivery, timeLeft: TimeLeft) => run(delivery, timeLeft, parts),
    runBatch: async (records: readonly QueueRecord[], timeLeft: TimeLeft) => runBatch(records, timeLeft, parts),
    recoverBatch: async (records: readonly QueueRecord[]) => recoverBatch(records, parts),
    fire: async (event: unknown) => fireEvent(event, parts),
    sweep: async (timeLeft: TimeLeft, part?: SweepPart) => sweep(timeLeft, parts, part),
    runAtOnce: async (asked: AtOnce) => runAtOnce(asked, parts),
    runDue: async (limit: number) => runDue(limit, parts),
    pollQueues: async (limit: number) => pollQueues(limit, parts),
    stopJob: async (id: string, as: StopStatus): Promise<Job | undefined> => stopJob(id, as, parts),
    retryJob: async (id: string, how?: HowToRetry) => retryJob(id, parts, how),
    retryJobOnce: async (id: string) => retryJobOnce(id, parts),
    deleteJob: async (id: string) => deleteJob(id, parts),
    sealGroup: async (id: string, expected: number | undefined) => sealGroup(id, expected, parts),
    redriveGroup: async (id: string, bulkActionId: string) => redriveGroup(id, bulkActionId, parts),
    /** A task's walk over the members of a group. */
    walks: {
      begin: async (appId: string, asked: Parameters<typeof beginWalk>[1]) => beginWalk(appId, asked, parts),
      step: async (pass: GroupPass) => stepPass(pass, parts),
      conclude: async (pass: GroupPass) => concludePass(pass, parts),
    },
    editSchedule: async (id: string, wanted: Wanted) => editSchedule(id, wanted, parts),
    runSchedule: async (id: string, asked: AskedRun) => runSchedule(id, asked, parts),
  };
}

/** Handles the event by which EventBridge fires a schedule. Throws BAD_REQUEST when it is not one. */
async function fireEvent(event: unknown, parts: EngineParts): Promise<Ran> {
  return (await fire(parseFiring(event), parts)) === "fired" ? "succeeded" : "skipped";
}
