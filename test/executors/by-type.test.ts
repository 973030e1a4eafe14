import { expect, test } from "vitest";
import { executionTypeFor, executor } from "../../lib/executors/by-type.ts";
import { EXECUTION_TYPES } from "../../lib/executors/index.ts";
import { TASK } from "../../lib/job/job.ts";
import { JOB_TYPES, definitionOf } from "../../lib/tasks/index.ts";

test.each(EXECUTION_TYPES)("%s, which a request may have, is loaded by its name", async (type) => {
  const execution = { type, ...(type === TASK && { jobType: "example" }) };
  expect((await executionTypeFor(execution)).type).toBe(type);
});

test.each(JOB_TYPES)("the task %s is loaded by its name, and its jobs have its terms", async (jobType) => {
  const task = await definitionOf(jobType);
  expect(task.jobType).toBe(jobType);
  const { timeoutMs, maxRetries } = task;
  const type = await executionTypeFor({ type: TASK, jobType });
  expect(type.terms({ type: TASK, jobType, priority: 3 }, 0)).toMatchObject({
    jobType,
    timeoutMs,
    maxRetries,
    priority: 3,
  });
});

test("what there is not, or does not run by itself, is refused in words", async () => {
  const run = async (executionType: string) => executor.execute({ job: { executionType } } as never, {} as never);
  await expect(run("schedule")).rejects.toThrow("a schedule is fired");
  await expect(run("constructor")).rejects.toThrow("No executor for execution type constructor");
  await expect(executionTypeFor({ type: "fax" })).rejects.toThrow("No execution type fax; known: rest-api");
  await expect(definitionOf("constructor")).rejects.toThrow("No task constructor; known: example");
});
