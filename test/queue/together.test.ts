import { expect, test } from "vitest";
import { together } from "../../lib/queue/together.ts";

/** Calls that are answered by hand, in their order. */
function stand() {
  const calls: { readonly items: readonly string[]; readonly answer: (results: [number, string][]) => void }[] = [];
  const failing: ((error: Error) => void)[] = [];
  const slows: (() => void)[] = [];
  const call = async (items: readonly string[]) =>
    new Promise<ReadonlyMap<number, string>>((resolve, reject) => {
      calls.push({ items, answer: (results) => resolve(new Map(results)) });
      failing.push(reject);
    });
  const send = together(3, call, async () => new Promise<void>((resolve) => void slows.push(resolve)));
  return { calls, send, fail: (error: Error) => failing.at(-1)?.(error), timePasses: () => slows.pop()?.() };
}

const turn = async () => new Promise(setImmediate);

test("one item goes at once, those that come meanwhile go together, as many as a call may take", async () => {
  const { calls, send } = stand();
  const first = send("a");
  expect(calls.map(({ items }) => items)).toEqual([["a"]]);
  const others = ["b", "c", "d", "e"].map(send);
  await turn();
  expect(calls).toHaveLength(1);
  calls[0]?.answer([]);
  expect(await first).toBeUndefined();
  await turn();
  calls[1]?.answer([[1, "refused"]]);
  await turn();
  calls[2]?.answer([]);
  expect(await Promise.all(others)).toEqual([undefined, "refused", undefined, undefined]);
  expect(calls.map(({ items }) => items)).toEqual([["a"], ["b", "c", "d"], ["e"]]);
  void send("f");
  expect(calls.at(-1)?.items).toEqual(["f"]);
});

test("a call that fails fails its items, and no others", async () => {
  const { calls, send, fail } = stand();
  const results = Promise.allSettled(["a", "b", "c"].map(send));
  calls[0]?.answer([]);
  await turn();
  fail(new Error("the queue is away"));
  const after = send("d");
  await turn();
  calls.at(-1)?.answer([]);
  expect((await results).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
  expect(await after).toBeUndefined();
});

test("a call that hangs holds up the next one for a while only, and one that does not for no time", async () => {
  const { calls, send, timePasses } = stand();
  const sent = ["a", "b", "c", "d", "e", "f"].map(send);
  for (const together of [2, 3, 3]) {
    timePasses();
    await turn();
    expect(calls).toHaveLength(together);
  }
  for (const { answer } of calls) answer([]);
  await Promise.all(sent);
  expect(calls.map(({ items }) => items.join(""))).toEqual(["a", "bcd", "ef"]);

  const [first, second, third] = ["g", "h", "i"].map(send);
  calls.at(-1)?.answer([]);
  await first;
  await turn();
  const last = send("j");
  // What waited has gone, and the one behind it has not waited for so long.
  timePasses();
  await turn();
  expect(calls.map(({ items }) => items.join("")).slice(3)).toEqual(["g", "hi"]);
  for (let at = 4; at < 6; at += 1) {
    calls[at]?.answer([]);
    await turn();
  }
  await Promise.all([second, third, last]);
  expect(calls.at(-1)?.items).toEqual(["j"]);
});
