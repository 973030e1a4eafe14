import { CLIENT_DEFAULTS } from "../../../../lib/aws.ts";
import { HOUR, MINUTE } from "../../../../lib/clock.ts";
import { createPace, takeBatches, type Loop } from "../../../../local/pace.ts";
import type { Container } from "../../process.ts";
import { deleting, receiving, recordsIn } from "../callers.ts";
import type { Processor } from "../processor.ts";
import { atMost, none, type Given, type Scenario } from "../scenario.ts";
import { LAMBDA_CPU, WHOLE, appId, createVolumeWorld, webhook } from "../world.ts";

const APP = appId(1);
const QUEUE = "JobsFairQueue";
const POSTED_WITHIN = MINUTE;
const BEGINS_AT = 2 * MINUTE;
/**
 * Measured with 4 to 80 batches in hand and a loop that was always busy: a receive waits for one answer, a job for one
 * after the other, so that receives and timers are hardly late when jobs are.
 */
const RECEIVE = { tookMs: 10, cpuMs: 1.4 };
/** What an idle mapping waits for messages before it asks again. */
const POLL_MS = 100;
/** A loop that is late by more finds that a connection was not established in time. */
const CONNECT_MS = CLIENT_DEFAULTS.requestHandler.connectionTimeout;
/** Of the work: the ratio that a drain is to have to straight-line code, of 0.8. */
const MOST_TIMES = 1.25;

/** A process of the local stack that joins a backlog: it takes batches as `local/pace.ts` has it, with one processor. */
export const burst: Scenario = {
  name: "a burst on the local stack",
  jobs: { gate: 1_000, usual: 20_000, long: 50_000 },
  run: async (given) => {
    const world = createVolumeWorld({
      ...given,
      seed: "burst",
      // The mapping of Lambda takes nothing.
      atOnce: { [QUEUE]: 0 },
      slowness: { "process-jobs": WHOLE },
    });
    let drained: Drained | undefined;
    world.post(
      Array.from({ length: given.jobs }, () => webhook(APP)),
      0,
      POSTED_WITHIN,
    );
    world.at(BEGINS_AT, () => {
      void world.invoke("process-jobs", async (container) => (drained = await drain(world, container, given)));
    });
    await world.run(HOUR, () => drained !== undefined);
    if (!drained) throw new Error("The process did not end");
    const { mostInHand, longestDelayMs, tookMs, workMs, batchSize } = drained;
    // So many whose messages all wait for the processor at once.
    const most = Math.floor(CONNECT_MS / (batchSize * LAMBDA_CPU.callMs * WHOLE));
    return [
      atMost("12: batches in flight", most, mostInHand),
      atMost("12: longest delay of the event loop", CONNECT_MS, longestDelayMs, " ms"),
      atMost("12: drained within a multiple of the work", MOST_TIMES, tookMs / workMs, " times"),
      none("12: jobs that were not drained", world.counts.open()),
    ];
  },
};

interface Drained {
  readonly mostInHand: number;
  readonly longestDelayMs: number;
  readonly tookMs: number;
  /** The processor time of all calls. */
  readonly workMs: number;
  readonly batchSize: number;
}

/** Drains the queue as a mapping of the local stack does: all batches in one process. */
async function drain(
  { time, cloud, counts }: ReturnType<typeof createVolumeWorld>,
  container: Container,
  { template, plant }: Given,
): Promise<Drained> {
  const began = time.now();
  const url = cloud.sqs.urlOf(QUEUE);
  const processor = cloud.processorOf(container);
  const stopped = new AbortController();
  const mapped = template.functions.flatMap(({ queues }) => queues).find(({ resource }) => resource === QUEUE);
  if (!mapped) throw new Error(`No function has ${QUEUE}`);
  const { batchSize, maximumConcurrency: mostAtOnce } = mapped;
  let [inHand, mostInHand] = [0, 0];
  await takeBatches({
    room: (plant?.pace ?? createPace)(loopOf(container, processor, time.now)),
    batchSize,
    mostAtOnce,
    stopped: stopped.signal,
    receive: async () => {
      processor.take(RECEIVE.cpuMs);
      await container.pause(RECEIVE.tookMs);
      const records = recordsIn(await cloud.sqs.send(receiving(url, batchSize)), url);
      if (counts.open() === 0) stopped.abort();
      else if (records.length === 0) await container.pause(POLL_MS);
      return records;
    },
    handle: async (records) => {
      inHand += 1;
      mostInHand = Math.max(mostInHand, inHand);
      const deletion = deleting(url, records, await container.engine.runBatch(records, () => HOUR));
      if (deletion) await cloud.call(container, "sqs", deletion);
      inHand -= 1;
    },
  });
  return {
    mostInHand,
    longestDelayMs: processor.longestWaitMs(),
    tookMs: time.now() - began,
    workMs: processor.activeMs(),
    batchSize,
  };
}

/** The event loop of a process. */
function loopOf(container: Container, processor: Processor, now: () => number): Loop {
  const began = now();
  return {
    sleep: async (ms) => container.pause(ms),
    utilization: (since) => {
      const activeMs = processor.activeMs();
      const active = activeMs - (since?.active ?? 0);
      const idle = now() - began - activeMs - (since?.idle ?? 0);
      return { active, idle, utilization: active === 0 ? 0 : active / (active + idle) };
    },
  };
}
