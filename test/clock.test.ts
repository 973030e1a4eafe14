import { getActiveResourcesInfo } from "node:process";
import { expect, test } from "vitest";
import { createClock } from "../lib/clock.ts";

const clock = createClock();
const timers = () => getActiveResourcesInfo().filter((name) => name === "Timeout").length;

test("a wait ends with the signal's reason, and leaves no timer", async () => {
  const before = timers();
  const over = new AbortController();
  const reason = new Error("over");
  const wait = clock.sleep(60_000, over.signal);
  expect(timers()).toBe(before + 1);
  over.abort(reason);
  await expect(wait).rejects.toBe(reason);
  expect(timers()).toBe(before);
  await expect(clock.sleep(60_000, over.signal)).rejects.toBe(reason);
  expect(timers()).toBe(before);
});

test("a wait that nobody ends resolves", async () => {
  await expect(clock.sleep(1, new AbortController().signal)).resolves.toBeUndefined();
});
