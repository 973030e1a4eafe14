import { expect, test } from "vitest";
import { executionTypeFor, executorFor } from "../../lib/executors/by-type.ts";
import { EXECUTION_TYPES, executionTypeOf, executorOf } from "../../lib/executors/index.ts";

test.each(EXECUTION_TYPES)("%s by itself is the one of the list", async (type) => {
  expect(await executionTypeFor({ type })).toBe(executionTypeOf(type));
});

test.each(["rest-api", "lambda-invoke", "lambda-url"])(
  "jobs of type %s are run by the one of the list",
  async (type) => {
    expect(await executorFor({ executionType: type })).toBe(executorOf({ executionType: type }));
  },
);

test("what does not run by itself is refused in words", async () => {
  await expect(executorFor({ executionType: "schedule" })).rejects.toThrow("a schedule is fired");
  await expect(executorFor({ executionType: "constructor" })).rejects.toThrow("No executor for execution type");
  await expect(executionTypeFor({ type: "fax" })).rejects.toThrow("No execution type fax; known: rest-api");
});
