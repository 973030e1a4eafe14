import { DAY } from "../../../lib/clock.ts";
import { HEAD_START } from "../../../lib/job/job.ts";
import { becomeDue } from "../../../lib/job/moves.ts";
import { NEVER } from "../../../lib/job/schedule.ts";
import { departure } from "../../../lib/queue/hand-over.ts";
import { backlogKey } from "../../../lib/store/job-keys.ts";
import { isClaim, isLook } from "../plant.ts";
import { moving } from "./moving.ts";
import type { VolumePlant } from "./volume-plant.ts";

// Bugs in what jobs cost: their writes, reads and messages.

const PLAIN = "webhooks that nothing delays";
const LANE = "a lane of hours beside another one";
const LINES = "lines of tasks";
const WAITING = "a pause, a hold and an outage of two hours";
const PAUSE = "a pause of two hours, and sweeps that die in its resume";

const repeating = moving((move, { clock }) => {
  const isLater = (move.set.dueAt ?? 0) - clock.now() < DAY;
  return isLook(move) && isLater ? { ...move, set: { dueAt: clock.now() + HEAD_START } } : move;
});

export const COSTS_PLANTS: readonly VolumePlant[] = [
  {
    name: "a message is repeated every five minutes",
    scenario: "a long lane and a slow queue",
    breaks: "3: messages of a",
    parts: repeating,
  },
  {
    name: "the message of a lane's job is repeated every five minutes",
    scenario: LANE,
    breaks: "3: messages in the queue",
    parts: repeating,
  },
  {
    name: "a job that leaves a backlog is not due",
    scenario: PAUSE,
    breaks: "2: jobs that have not run",
    parts: moving((move) =>
      move.set.releasedAt === undefined ? move : { ...move, set: { ...move.set, dueAt: NEVER } },
    ),
  },
  {
    name: "a delivery reads its job before it claims it",
    scenario: PLAIN,
    breaks: "20: reads of a job",
    parts: ({ store }) => ({
      store: {
        ...store,
        apply: async (of, move, op) => {
          if (isClaim(move)) await store.get(of.id);
          return store.apply(of, move, op);
        },
      },
    }),
  },
  {
    name: "a put is followed by a write of its place",
    scenario: PLAIN,
    breaks: "20: writes of a job",
    parts: ({ store, clock }) => ({
      store: {
        ...store,
        create: async (job) => {
          const created = await store.create(job);
          await store.apply(job, becomeDue(job, clock.now() + HEAD_START));
          return created;
        },
      },
    }),
  },
  {
    name: "circuits are read for each delivery",
    scenario: PLAIN,
    breaks: "20: reads of settings",
    parts: ({ store, destinations }) => ({
      destinations: {
        ...destinations,
        circuitOf: async (ref) => {
          // A read of the table, as good as any.
          await store.get(ref.appId);
          return destinations.circuitOf(ref);
        },
      },
    }),
  },
  {
    name: "a task that comes takes a free slot before those in line",
    scenario: LINES,
    breaks: "20: passing by tasks",
    parts: ({ slots }) => ({
      slots: {
        ...slots,
        // A place in line needs as many as there are slots, a call a page.
        look: async (app, most) => {
          const seen = await slots.look(app, most);
          return most < 100 ? { ...seen, first: [] } : seen;
        },
      },
    }),
  },
  {
    name: "a task that comes into line calls those before it",
    scenario: LINES,
    breaks: "3: messages of a task over",
    parts: ({ slots, apps, store, queue }) => ({
      slots: {
        ...slots,
        enter: async (app, rank) => {
          await slots.enter(app, rank);
          const { maxConcurrentTasks: most } = await apps.settingsOf(app);
          const { taken, first } = await slots.look(app, most);
          const ids = first.slice(0, Math.max(most - taken, 0)).map((one) => one.slice(one.lastIndexOf("#") + 1));
          await queue.sendAttempts((await store.getMany(ids, { consistent: true })).map(departure));
        },
      },
    }),
  },
  {
    name: "an open circuit lets all of its jobs go each minute",
    scenario: WAITING,
    breaks: "2: writes of waiting of an open circuit's job",
    parts: ({ destinations }) => ({
      destinations: {
        ...destinations,
        // Only an attempt that is about to start asks with its id.
        circuitOf: async (ref) => {
          const circuit = await destinations.circuitOf(ref);
          return circuit?.state === "open" && !("id" in ref) ? undefined : circuit;
        },
      },
    }),
  },
  {
    name: "the jobs of a shut backlog are read each minute",
    scenario: WAITING,
    breaks: "20: reads of a job that waits for a person",
    parts: ({ backlogs, store }) => ({
      backlogs: {
        ...backlogs,
        beginLook: async (ref, ...asked) => {
          const { entries } = await store.due(backlogKey(ref), Number.MAX_SAFE_INTEGER, 100);
          await store.getMany(
            entries.map(({ id }) => id),
            { consistent: true },
          );
          return backlogs.beginLook(ref, ...asked);
        },
      },
    }),
  },
];
