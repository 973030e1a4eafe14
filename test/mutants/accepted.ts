/** A mutant that may survive. `code` is its line. */
interface Accepted {
  readonly file: string;
  readonly code: string;
  readonly was: string;
  readonly becomes: string;
  readonly reason: string;
}

const ALWAYS_THERE = "The default is for the types alone: the field is always there.";
const LOST_TAKES_NO_TIME = "A lost attempt never succeeds, and only a success keeps its duration.";

export const ACCEPTED: readonly Accepted[] = [
  {
    file: "lib/queue/queue.ts",
    code: 'return Messages.map(({ MessageId = "", ReceiptHandle = "", Body = "", Attributes }) => ({',
    was: '""',
    becomes: '"x"',
    reason: ALWAYS_THERE,
  },
  {
    file: "lib/queue/delivery.ts",
    code: "const delivery = deliveryOf(event, 1);",
    was: "1",
    becomes: "2",
    reason: "Only carried jobs keep their count, and those are no firings.",
  },
  {
    file: "lib/queue/queue.ts",
    code: "const client = parts.client ?? adapted(lean(new SQSClient({ ...CLIENT_DEFAULTS, useQueueUrlAsEndpoint: false })));",
    was: "false",
    becomes: "true",
    reason: "Matters only where a queue's URL names another host than the endpoint, as no test's does.",
  },
  {
    file: "lib/job/moves.ts",
    code: "const move = end(job, { ...ending, outcome: LOST, durationMs: 0 });",
    was: "0",
    becomes: "1",
    reason: LOST_TAKES_NO_TIME,
  },
  {
    file: "lib/job/moves.ts",
    code: 'const asked = outcome.kind === "retry" ? (outcome.retryAfterMs ?? 0) : 0;',
    was: "0",
    becomes: "1",
    reason: "The later of this and the backoff counts: a difference of a millisecond, if any.",
  },
  {
    file: "lib/store/job-index.ts",
    code: 'values: { ":partition": partition, ":from": range.from ?? 0, ":to": range.to ?? Number.MAX_SAFE_INTEGER },',
    was: "0",
    becomes: "1",
    reason: "No job is of the first millisecond of 1970.",
  },
  {
    file: "lib/store/table.ts",
    code: "for (let from = 0; from < keys.length; from += LARGEST_READ) {",
    was: "<",
    becomes: "<=",
    reason: "A batch of no keys is not asked for.",
  },
  {
    file: "lib/engine/deliveries.ts",
    code: "return job !== undefined && awaits(job, ref) && job.startAt > now && travels(job, job.startAt - now);",
    was: ">",
    becomes: ">=",
    reason: "A claim at its start time wins, so that this is not asked then.",
  },
  {
    file: "lib/engine/sweep.ts",
    code: "const jobs = (await parts.store.getMany(ids, { consistent: true })).filter(",
    was: "true",
    becomes: "false",
    reason: "Moves are fenced on what was read: a late read costs a lost write, not a job.",
  },
  {
    file: "lib/engine/follow-through.ts",
    code: "if (takesSlot(job)) await parts.line.callNext(job.appId);",
    was: "takesSlot(job)",
    becomes: "true",
    reason: "A task that holds a slot was notified: looking for others changes nothing, and costs a read.",
  },
  {
    file: "lib/engine/deliveries.ts",
    code: "if (place.isInLine) await parts.line.started(claimed.job);",
    was: "place.isInLine",
    becomes: "true",
    reason: "Leaving a line that it does not stand in changes nothing, and costs a write.",
  },
  {
    file: "lib/engine/deliveries.ts",
    code: "const MOST_SLOTS = 1_000;",
    was: "1_000",
    becomes: "1001",
    reason: "Both are more than any app has.",
  },
  {
    file: "lib/job/job.ts",
    code: "export function nextLook({ startAt, releasedAt = 0 }: Job, now: EpochMs): EpochMs {",
    was: "0",
    becomes: "1",
    reason: "The later of it and a start time, which is long after 1970.",
  },
];
