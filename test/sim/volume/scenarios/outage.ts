import { MINUTE, SECOND } from "../../../../lib/clock.ts";
import { DEFAULT_LIST_SHARDS, DUE_SHARDS } from "../../../../lib/store/job-keys.ts";
import { START } from "../../cloud.ts";
import { atMost, highest, none, type Figure, type Scenario } from "../scenario.ts";
import { appId, createVolumeWorld, webhook, type Run } from "../world.ts";

const [BUSY, QUIET] = [appId(1), appId(2)];
const DOWN = "https://down.example";
const BEGINS_AT = 20 * MINUTE;
/** Of all jobs: those of an earlier time that become due within the outage. */
const DUE_SHARE = 0.25;
const QUIET_JOBS = 20;
/** What AWS takes in a second: with fewer writes of an index, none of its partitions can be too busy. */
const LIMIT = 1_000;
/** By chance, of a thousand writes: five standard deviations of one in four. */
const MOST_OF_A_LIST = 1 / DEFAULT_LIST_SHARDS + 0.07;
/** A few times the share of a shard. */
const MOST_OF_DUE = 3 / 64;
/** Jobs for each batch that is delivered at the same time. */
const JOBS_A_BATCH = 160;
const MOST_BATCHES = 200;

/** By the sweep, which looks at the backlog. */
const OTHER_WRITES = 20;
/** The items of backlogs, which are due too, are counted apart. */
const BACKLOGS = "backlogs";
const SHARDS: ReadonlySet<string> = new Set(DUE_SHARDS);

const down: Run = { outcome: { kind: "retry", error: "HTTP 503", httpStatus: 503 } };

/** A busy destination of one app fails while its jobs come as fast as before, and as others become due. */
export const outage: Scenario = {
  name: "an outage of one busy destination",
  jobs: { gate: 2_400, usual: 16_000, long: 100_000 },
  run: async (given) => {
    const spread = createSpread(() => world.time.now());
    const batches = Math.min(Math.ceil(given.jobs / JOBS_A_BATCH), MOST_BATCHES);
    const world = createVolumeWorld({
      ...given,
      seed: "outage",
      atOnce: { JobsFairQueue: batches },
      runs: ({ message }) => ((message.execution as { baseUrl?: string }).baseUrl === DOWN ? down : {}),
      watch: { onIndexWrite: spread.written },
    });
    const due = Math.floor(given.jobs * DUE_SHARE);
    const some = (count: number, more: object) =>
      Array.from({ length: count }, () => webhook(BUSY, { host: DOWN, ...more }));
    world.post(some(due, { startAt: START + BEGINS_AT }), 0, 10 * SECOND);
    world.post(some(given.jobs - due, {}), BEGINS_AT, SECOND);
    for (let n = 0; n < QUIET_JOBS; n += 1) world.post([webhook(QUIET)], BEGINS_AT + n * SECOND);
    await world.run(BEGINS_AT + 10 * MINUTE);
    return [
      none("9: jobs that were not accepted", given.jobs + QUIET_JOBS - world.counts.jobs.size),
      none("9: other apps' jobs that have not run", world.counts.of(QUIET).filter(({ isOpen }) => isOpen).length),
      spread.figure("byApp", MOST_OF_A_LIST),
      spread.figure("byStatus", MOST_OF_A_LIST),
      // A backlog has a partition of its own: each of its jobs enters it once, and leaves it once.
      spread.figure("due", MOST_OF_DUE, (partition) => SHARDS.has(partition)),
      // Each process that delivers says within half a minute that jobs wait: an entry is deleted and another one put.
      atMost(
        `9: writes of the entry of the backlog itself in a second, ${batches} batches`,
        2 * batches + OTHER_WRITES,
        spread.mostOf(BACKLOGS),
      ),
    ];
  },
};

/** The writes of an index within a second, by partition. */
type Writes = Map<string, number>;

/** Counts what each partition of the indexes gets, second by second. */
function createSpread(now: () => number) {
  const indexes = new Map<string, Map<number, Writes>>();

  function written(of: string, partition: string, pk: string): void {
    const index = pk.startsWith("B#") ? BACKLOGS : of;
    const seconds = indexes.get(index) ?? new Map<number, Writes>();
    const second = Math.floor(now() / SECOND);
    const writes = seconds.get(second) ?? new Map<string, number>();
    indexes.set(index, seconds.set(second, writes.set(partition, (writes.get(partition) ?? 0) + 1)));
  }

  /** The share of the busiest partition, in the second that has the most writes of the index. */
  function figure(index: string, most: number, isCounted: (partition: string) => boolean = () => true): Figure {
    const seconds = [...(indexes.get(index)?.values() ?? [])].map((writes) =>
      [...writes].flatMap(([partition, count]) => (isCounted(partition) ? [count] : [])),
    );
    const all = seconds.map((counts) => ({ counts, sum: counts.reduce((sum, count) => sum + count, 0) }));
    const { counts = [], sum = 0 } = all.toSorted((one, other) => other.sum - one.sum)[0] ?? {};
    if (sum < LIMIT) throw new Error(`${index} never has ${LIMIT} writes in a second`);
    const share = (100 * Math.max(...counts)) / sum;
    return atMost(`9: the largest share of writes of a partition of ${index} in a second`, 100 * most, share, " %");
  }

  /** The most writes of a partition in a second. */
  function mostOf(index: string): number {
    const counts = [...(indexes.get(index)?.values() ?? [])].flatMap((writes) => [...writes.values()]);
    return highest(counts, (count) => count);
  }

  return { written, figure, mostOf };
}
