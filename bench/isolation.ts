import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { median, percentile, type CountingTarget } from "./measure.ts";
import { load } from "./workload.ts";

// How much a slow and a dead destination delay the jobs of healthy destinations of the same app.

const ROUNDS = 5;
const HEALTHY = { count: 600, perSecond: 30 } as const;
/** The backlog of each bad destination when a round begins; more jobs arrive each second. */
const BACKLOG = 100;
const TROUBLED_PER_SECOND = 2;
/** An answer takes between half of this and all of it, so that they do not all end at once. */
const SLOWEST_ANSWER_MS = 15_000;

export interface Isolation {
  /** p99 from posted to target, in ms; medians of five rounds. */
  readonly alone: number;
  readonly beside: number;
}

/** `accept` posts a job to a URL. */
export async function isolationOf(accept: (url: string) => Promise<void>, target: CountingTarget): Promise<Isolation> {
  let answering = 0;
  let check = () => {};
  const slow = createServer((_, response) => {
    answering += 1;
    check();
    setTimeout(() => response.end(), SLOWEST_ANSWER_MS * (0.5 + Math.random() / 2)).unref();
  });
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
    answering = 0;
    // Accepting a burst takes time wherever its jobs go, so the round starts after it.
    const allAnswering = new Promise<void>((done) => {
      check = () => answering >= BACKLOG && done();
    });
    for (const url of [deadUrl, slowUrl]) await load({ count: BACKLOG, inFlight: 8 }, () => accept(url));
    await allAnswering;
    const count = seconds * TROUBLED_PER_SECOND;
    const [p99] = await Promise.all([healthy(), troubled(slowUrl, count), troubled(deadUrl, count)]);
    beside.push(p99);
    // Waits for the slow answers, so that the next round alone has no other load.
    await new Promise((over) => {
      setTimeout(over, SLOWEST_ANSWER_MS);
    });
  }
  slow.closeAllConnections();
  slow.close();
  return { alone: median(alone), beside: median(beside) };
}
