import { DAY, SECOND } from "../../../../lib/clock.ts";
import { atMost, highest, messagesOver, none, readsOver, writesOver, type Scenario } from "../scenario.ts";
import { appId, createVolumeWorld, webhook } from "../world.ts";

const [LANE, FAIR] = [appId(1), appId(2)];

/** A lane of jobs of some seconds each, and jobs whose queue is slow. */
export const messages: Scenario = {
  name: "a long lane and a slow queue",
  jobs: { gate: 240, usual: 4_000, long: 40_000 },
  run: async (given) => {
    const world = createVolumeWorld({
      ...given,
      seed: "messages",
      atOnce: { JobsFairQueue: 1 },
      runs: () => ({ ms: 55 * SECOND }),
    });
    const { counts, time } = world;
    const inLane = Math.min(Math.floor(given.jobs / 3), 500);
    world.post(Array.from({ length: inLane }, () => webhook(LANE, { lane: "one", timeoutSeconds: 60 })));
    world.post(Array.from({ length: given.jobs - inLane }, () => webhook(FAIR, { timeoutSeconds: 60 })));
    await world.run(7 * DAY, world.isDone);
    const over = (app: string) => highest(counts.of(app), (job) => messagesOver(job, time.now()));
    const most = (app: string) => highest(counts.of(app), (job) => job.messages);
    const all = [...counts.jobs.values()];
    return [
      atMost(`3: messages of a lane's job over 2 + retries + log2(minutes); most: ${most(LANE)}`, 0, over(LANE)),
      atMost(`3: messages of a slow queue's job over that; most: ${most(FAIR)}`, 0, over(FAIR)),
      atMost("20: reads of a job over two a message", 0, highest(all, readsOver)),
      atMost("20: writes of a job over four and two for each repeat", 0, highest(all, writesOver)),
      none("3: jobs that have not run", counts.open()),
    ];
  },
};
