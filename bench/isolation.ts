import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { median, percentile, type CountingTarget } from "./measure.ts";
import { load } from "./workload.ts";

// What the jobs of healthy destinations notice of a slow and of a dead one of the same app.

const ROUNDS = 5;
const HEALTHY = { count: 300, perSecond: 20 } as const;
/** Posted at once before each round with them, and then by the second. */
const BACKLOG = 100;
const TROUBLED_PER_SECOND = 2;
const SLOW_ANSWER_MS = 10_000;

export interface Isolation {
  /** p99 from posted to target, in ms; medians of five rounds. */
  readonly alone: number;
  readonly beside: number;
}

/** `accept` posts a job to a URL. */
export async function isolationOf(accept: (url: string) => Promise<void>, target: CountingTarget): Promise<Isolation> {
  const slow = createServer((_, response) => void setTimeout(() => response.end(), SLOW_ANSWER_MS).unref());
  await new Promise<void>((listening) => {
    slow.listen(0, "127.0.0.1", listening);
  });
  const slowUrl = `http://127.0.0.1:${(slow.address() as AddressInfo).port}`;
  // Nothing listens on port 1.
  const deadUrl = "http://127.0.0.1:1";
  const healthy = async () => {
    target.reset();
    await Promise.all([load(HEALTHY, () => accept(target.url)), target.reached(HEALTHY.count)]);
    return percentile([...target.latencies], 99);
  };
  const troubled = async (url: string, count: number) =>
    load({ count, perSecond: TROUBLED_PER_SECOND }, () => accept(url));
  const seconds = HEALTHY.count / HEALTHY.perSecond;

  const alone: number[] = [];
  const beside: number[] = [];
  await healthy();
  for (let round = 0; round < ROUNDS; round += 1) {
    alone.push(await healthy());
    for (const url of [slowUrl, deadUrl]) await load({ count: BACKLOG, inFlight: 8 }, () => accept(url));
    const count = seconds * TROUBLED_PER_SECOND;
    const [p99] = await Promise.all([healthy(), troubled(slowUrl, count), troubled(deadUrl, count)]);
    beside.push(p99);
    // Until the slow answers are over, so that the next round alone is that.
    await new Promise((over) => {
      setTimeout(over, SLOW_ANSWER_MS);
    });
  }
  slow.closeAllConnections();
  slow.close();
  return { alone: median(alone), beside: median(beside) };
}
