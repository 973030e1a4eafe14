import { HOUR, MINUTE, derivedUuid } from "../../lib/clock.ts";
import { HEAD_START, type Job } from "../../lib/job/job.ts";
import { decodeMessage } from "../../lib/job/payload.ts";
import {
  ANY,
  carrying,
  endsAttempt,
  foundBy,
  isClaim,
  isFinal,
  isLook,
  moving,
  putting,
  sending,
  unfenced,
  without,
  type Plant,
} from "./plant.ts";
import { FINDERS } from "./finders.ts";
import { EXPIRY_PLANTS } from "./planted-expiry.ts";
import { GROUP_PLANTS } from "./planted-groups.ts";
import { SCHEDULE_PLANTS } from "./planted-schedules.ts";
import { START_PLANTS } from "./planted-starts.ts";
import { TASK_PLANTS } from "./planted-tasks.ts";

// Bugs that the simulator must find.

const otherLane = (job: Job, name: string): Job =>
  job.lane === undefined ? job : { ...job, lane: `${job.lane} ${name}` };
const isCallback = ({ payload }: Job) =>
  payload.at === "inline" && decodeMessage(payload.bytes).lambdaProxyMessage?.path === "/done";

const ALL: readonly Plant[] = [
  moving("the fence is dropped", (move) => without(move, "attempts")),
  moving("a job is claimed whatever it is", (move) => (isClaim(move) ? { ...move, from: ANY } : move)),
  moving("an attempt ends whatever the job is", (move) => (endsAttempt(move) ? unfenced(move) : move)),
  moving("an attempt's number is used again", (move) =>
    isClaim(move) ? { ...move, set: { ...move.set, attempts: (move.set.attempts ?? 1) - 1 } } : move,
  ),
  moving("a retry is not counted", (move) => {
    const { retryCount: _, ...set } = move.set;
    return move.to === "RETRYING" ? { ...move, set } : move;
  }),
  moving("the sweep writes without looking", (move) => (isLook(move) ? unfenced(move) : move)),
  moving("an end forgets that it owes something", (move) => {
    const { dueAt: _, ...set } = move.set;
    return isFinal(move)
      ? { ...move, set, remove: [...move.remove.filter((field) => field !== "dueAt"), "dueAt"] }
      : move;
  }),
  foundBy(
    553,
    moving("a wish to stop is overlooked", (move) => (endsAttempt(move) ? without(move, "stopAs") : move)),
  ),
  moving("a running job is cancelled at once", (move) => {
    const { stopAs, ...set } = move.set;
    return stopAs && move.to === "RUNNING" ? { ...move, to: stopAs, set, remove: ["dueAt"] } : move;
  }),
  {
    name: "the sweep expires whatever runs",
    parts: ({ store }) => ({
      store: {
        ...store,
        apply: (of, move, op) => {
          const { startedAt } = move.set;
          const looked =
            isClaim(move) && startedAt !== undefined ? { ...move, set: { ...move.set, dueAt: startedAt } } : move;
          return store.apply(of, without(looked, "leaseUntil"), op);
        },
        getMany: async (...asked) => (await store.getMany(...asked)).map((job) => ({ ...job, leaseUntil: 0 }) as Job),
      },
    }),
  },
  {
    name: "an attempt outlives its lease",
    seed: 363,
    parts: ({ clock }) => ({ clock: { ...clock, timeout: () => new AbortController().signal } }),
  },
  putting("a stored job is not due", (job) => {
    const { dueAt: _, ...rest } = job;
    return rest;
  }),
  putting("a key does not make the id", (job, { clock }) =>
    job.idempotencyKey === undefined ? job : { ...job, id: clock.uuid() },
  ),
  putting("what follows from a job gets a fresh id", (job, { clock }) =>
    job.parentJobId === undefined ? job : { ...job, id: clock.uuid() },
  ),
  {
    name: "a schedule fires in two steps",
    parts: ({ store, clock }) => ({
      store: {
        ...store,
        createWith: async (job, of, move) => {
          const { won: created } = await store.create({ ...job, id: clock.uuid() });
          return { ...(await store.apply(of, move)), created };
        },
      },
    }),
  },
  {
    name: "a recurring schedule that ends is counted on",
    parts: ({ store }) => {
      const uncounted = <T extends object>(of: T): T => ({ ...of, recurring: undefined });
      return {
        store: {
          ...store,
          apply: (of, move, op) => store.apply("payload" in of ? uncounted(of) : of, move, op),
          createWith: (job, of, move) => store.createWith(job, uncounted(of), move),
        },
      };
    },
  },
  {
    name: "a callback is made anew at every try",
    parts: ({ store, queue, clock }) => {
      const renamed = new Map<string, string>();
      const name = (job: Job) => ({ ...job, id: renamed.get(job.id) ?? job.id });
      return {
        store: {
          ...store,
          create: (job) => {
            if (isCallback(job)) renamed.set(job.id, clock.uuid());
            return store.create(name(job));
          },
        },
        queue: {
          ...queue,
          sendAttempts: (all) => queue.sendAttempts(all.map((one) => ({ ...one, job: name(one.job) }))),
        },
      };
    },
  },
  putting("a key is one job of all apps", (job) =>
    job.idempotencyKey === undefined ? job : { ...job, id: derivedUuid(job.idempotencyKey) },
  ),
  moving("a schedule leaves a run out", (move) => {
    const { runs, startAt } = move.set;
    return runs === undefined || startAt === undefined
      ? move
      : { ...move, set: { ...move.set, startAt: startAt + 12 * MINUTE } };
  }),
  moving("a schedule ends too soon", (move) => {
    const { dueAt: _, ...set } = move.set;
    return set.runs === undefined || move.to !== "PENDING"
      ? move
      : { ...move, to: "SUCCEEDED", set, remove: ["dueAt"] };
  }),
  moving("a schedule forgets which job it made", (move) =>
    move.set.targetJobId === undefined ? move : { ...move, set: { ...move.set, targetJobId: "forgotten" } },
  ),
  carrying("what EventBridge did not take counts as taken", (wanted, { scheduler }) =>
    scheduler.create(wanted).catch(() => "created"),
  ),
  carrying("what EventBridge alone holds starts an hour early", (wanted, { scheduler, clock }) => {
    const at = Math.max(wanted.at - HOUR, clock.now() + MINUTE);
    const { fire } = JSON.parse(wanted.event) as { fire: { target: object } };
    return scheduler.create({
      ...wanted,
      at,
      event: JSON.stringify({ fire: { target: { ...fire.target, startAt: at } } }),
    });
  }),
  {
    name: "what EventBridge alone holds begins anew when it is sent again",
    parts: ({ queue }) => ({ queue: { ...queue, sendCarried: async (job) => queue.sendCarried(job) } }),
  },
  moving("what waits is stopped by nobody", (move) =>
    isLook(move) && move.to === "RETRYING" ? { ...move, to: "CANCELLED", set: {}, remove: ["dueAt"] } : move,
  ),
  {
    name: "every attempt has a webhook-id of its own",
    shown: (attempt) => ({ ...attempt, jobId: `${attempt.jobId}-${attempt.number}` }),
  },
  {
    name: "whoever asks may do all that the platform's administrators may",
    caller: (caller) => ({ ...caller, roles: [...caller.roles, "PLATFORM_ADMIN"] }),
  },
  ...START_PLANTS,
  ...EXPIRY_PLANTS,
  {
    name: "a job of mode sqs that failed is not stored",
    parts: ({ store }) => ({
      store: { ...store, create: async (job) => (job.attempts > 0 ? { won: true, job } : store.create(job)) },
    }),
  },
  {
    name: "what the queue did not take counts as sent",
    seed: 102,
    parts: ({ queue }) => ({ queue: { ...queue, sendCarried: (job) => queue.sendCarried(job).catch(() => {}) } }),
  },
  sending("lanes are mixed", (job) => otherLane(job, job.id)),
  sending("what the sweep brings again leaves its lane", (job) =>
    job.dueAt === job.startAt + HEAD_START ? job : otherLane(job, "again"),
  ),
  {
    name: "the sweep leaves out some shards",
    parts: ({ store }) => ({
      store: {
        ...store,
        due: async (shard, ...asked) =>
          /[0a]$/.test(shard) ? { entries: [], complete: true } : store.due(shard, ...asked),
      },
    }),
  },
  {
    name: "whoever asks may probe",
    parts: ({ destinations }) => ({
      destinations: {
        ...destinations,
        takeProbe: async () => true,
        circuitOf: async (ref) => {
          const circuit = await destinations.circuitOf(ref);
          return circuit && { ...circuit, probeAt: 0 };
        },
      },
    }),
  },
  {
    name: "a hold is overlooked",
    parts: ({ destinations }) => ({
      destinations: {
        ...destinations,
        circuitOf: async (ref) => {
          const circuit = await destinations.circuitOf(ref);
          return circuit?.state === "held" ? undefined : circuit;
        },
      },
    }),
  },
  {
    name: "a pause is overlooked",
    parts: ({ apps }) => ({
      apps: {
        ...apps,
        settingsOf: Object.assign(
          async (appId: string) => ({ ...(await apps.settingsOf(appId)), paused: false }),
          apps.settingsOf,
        ),
      },
    }),
  },
  {
    name: "places at a destination are not counted",
    parts: ({ capacity }) => ({ capacity: { ...capacity, takeSlot: async () => "taken" } }),
  },
  {
    name: "a failure is written down as a success",
    outcome: (outcome) => ({ ...outcome, kind: "succeeded" }),
  },
  { name: "a message is acknowledged before it is handled", acknowledges: "before" },
  { name: "a message that must come again is acknowledged", acknowledges: "all" },
  ...TASK_PLANTS,
  ...GROUP_PLANTS,
  ...SCHEDULE_PLANTS,
];

export const PLANTS: readonly Plant[] = ALL.map((plant) => {
  const known = FINDERS[plant.name];
  return known === undefined ? plant : foundBy(known, plant);
});
