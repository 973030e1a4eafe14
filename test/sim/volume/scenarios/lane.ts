import { DAY, MINUTE, SECOND } from "../../../../lib/clock.ts";
import { START } from "../../cloud.ts";
import { atMost, highest, messagesOver, none, readsOver, within, writesOver, type Scenario } from "../scenario.ts";
import { appId, createVolumeWorld, webhook } from "../world.ts";

const [LONG, OTHER] = [appId(1), appId(2)];
/** Jobs of a second each. Fewer jobs take as much longer, so that the lane is as long in time. */
const JOBS = 10_000;
/** A FIFO queue looks for messages of other lanes among so many: docs/scaling.md. */
const LOOK_AHEAD = 120_000;
const QUEUE = "JobsMainQueue";
const OTHERS_EVERY = 10 * MINUTE;

/** A lane whose jobs wait for hours for their turn, while their messages are repeated, and another tenant's lane. */
export const lane: Scenario = {
  name: "a lane of hours beside another one",
  jobs: { gate: 200, usual: JOBS, long: 2 * JOBS },
  run: async (given) => {
    const stands = Math.max(JOBS / given.jobs, 1);
    let most = 0;
    const world = createVolumeWorld({
      ...given,
      seed: "lane",
      runs: ({ job }) => (job.appId === LONG ? { ms: stands * SECOND } : {}),
      onSweep: () => (most = Math.max(most, cloud.sqs.messages(QUEUE).length)),
    });
    const { counts, cloud, time } = world;
    world.post(
      Array.from({ length: given.jobs }, () => webhook(LONG, { lane: "long", timeoutSeconds: 60 })),
      MINUTE,
      MINUTE,
    );
    const lasts = given.jobs * stands * SECOND;
    for (let at = 5 * MINUTE; at < lasts; at += OTHERS_EVERY) world.post([webhook(OTHER, { lane: "short" })], at);
    await world.run(2 * lasts + DAY, world.isDone);

    const jobs = counts.of(LONG);
    const sent = jobs.reduce((sum, { messages }) => sum + messages, 0);
    const startOf = ({ starts: [start = time.now()] }: { readonly starts: readonly number[] }) => start;
    return [
      atMost(
        `3: messages of a lane's job over 2 + retries + log2(minutes); most: ${highest(jobs, ({ messages }) => messages)}`,
        0,
        highest(jobs, (job) => messagesOver(job, time.now())),
      ),
      atMost(
        `3: messages in the queue at once, if each takes a second; in all: ${sent * stands}`,
        LOOK_AHEAD - 1,
        most * stands,
      ),
      atMost("3: messages of a lane's job, on average", 2 + Math.log2(lasts / MINUTE), sent / jobs.length),
      within(
        "3: start of another tenant's job in a lane",
        MINUTE,
        highest(counts.of(OTHER), (job) => startOf(job) - job.acceptedAt),
      ),
      atMost("20: reads of a lane's job over two a message", 0, highest(jobs, readsOver)),
      atMost("20: writes of a lane's job over four and two for each repeat", 0, highest(jobs, writesOver)),
      none("3: jobs of lanes that have not run", counts.open()),
      within("3: all of the lane have run", 1.25 * lasts + 10 * MINUTE, highest(jobs, startOf) - START),
    ];
  },
};
