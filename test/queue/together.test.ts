import { expect, test } from "vitest";
import { together } from "../../lib/queue/together.ts";

/** Calls that are answered by hand, in their order. */
function stand() {
  const calls: { readonly items: readonly string[]; readonly answer: (results: [number, string][]) => void }[] = [];
  const failing: ((error: Error) => void)[] = [];
  const send = together<string, string>(3, async (items) => {
    return new Promise((resolve, reject) => {
      calls.push({ items, answer: (results) => resolve(new Map(results)) });
      failing.push(reject);
    });
  });
  return { calls, send, fail: (error: Error) => failing.at(-1)?.(error) };
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
