import { expect, test } from "vitest";
import { atFirstUse, lateObject } from "../../lib/job/at-first-use.ts";

test("what is made at its first use is made once, also for uses at the same time", async () => {
  let made = 0;
  const use = atFirstUse(async () => (made += 1));
  expect(await Promise.all([use(), use()])).toEqual([1, 1]);
  expect(await use()).toBe(1);
});

test("what could not be made is made by the next use", async () => {
  let tries = 0;
  const use = atFirstUse(async () => {
    tries += 1;
    if (tries === 1) throw new Error("no file descriptor is left");
    return tries;
  });
  await expect(use()).rejects.toThrow("no file descriptor");
  expect([await use(), await use()]).toEqual([2, 2]);
});

test("a late object is made by the first call, which may be awaited, printed and turned into JSON before", async () => {
  let made = 0;
  const late = lateObject(async () => {
    made += 1;
    return { add: async (a: number, b: number) => a + b, same: async (text: string) => text };
  });
  expect([JSON.stringify(late), await Promise.resolve(late)]).toEqual(["{}", late]);
  expect(made).toBe(0);
  expect([await late.add(1, 2), await late.same("a")]).toEqual([3, "a"]);
  expect(made).toBe(1);
});
