import { NEVER } from "../../../lib/job/schedule.ts";
import { moving } from "./moving.ts";
import type { VolumePlant } from "./volume-plant.ts";

// Bugs in what jobs cost: their writes, reads and messages.

const PAUSE = "a pause of two hours, and sweeps that die in its resume";

export const COSTS_PLANTS: readonly VolumePlant[] = [
  {
    name: "a job that leaves a backlog is not due",
    scenario: PAUSE,
    breaks: "2: jobs that have not run",
    parts: moving((move) =>
      move.set.releasedAt === undefined ? move : { ...move, set: { ...move.set, dueAt: NEVER } },
    ),
  },
];
