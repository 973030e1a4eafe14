import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { within } from "../../local/within.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("nothing is kept of work that ends in time", async () => {
  expect(await within(30_000, Promise.resolve("answer"), () => "late")).toBe("answer");
  await expect(within(30_000, Promise.reject(new Error("broken")), () => "late")).rejects.toThrow("broken");
  expect(vi.getTimerCount()).toBe(0);
});

test("work that takes longer is given up", async () => {
  const late = within(30_000, new Promise(() => {}), () => "late");
  vi.advanceTimersByTime(30_000);
  expect(await late).toBe("late");
});
