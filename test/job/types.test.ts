import { expectTypeOf, test } from "vitest";
import type { EpochMs } from "../../lib/clock.ts";
import type { EndedJob, FailedJob, Job, RunningJob, SucceededJob, WaitingJob } from "../../lib/job/job.ts";
import type { Move } from "../../lib/job/move.ts";
import { type becomeDue, type claim, end, expire, extend, retry, settleEnd, stop } from "../../lib/job/moves.ts";

// Checked by the compiler (`npm run check`): at run time these tests do nothing.

test("a running job has a lease and a start, and no other job has a lease", () => {
  expectTypeOf<RunningJob["leaseUntil"]>().toEqualTypeOf<EpochMs>();
  expectTypeOf<RunningJob["startedAt"]>().toEqualTypeOf<EpochMs>();
  expectTypeOf<WaitingJob["leaseUntil"]>().toEqualTypeOf<undefined>();
  expectTypeOf<EndedJob["leaseUntil"]>().toEqualTypeOf<undefined>();
  expectTypeOf<Omit<RunningJob, "leaseUntil">>().not.toExtend<Job>();
});

test("a succeeded job has the attempt that succeeded, or the job that a schedule created", () => {
  expectTypeOf<Omit<SucceededJob, "success" | "targetJobId">>().not.toExtend<Job>();
  expectTypeOf<FailedJob["success"]>().toEqualTypeOf<undefined>();
});

test("a move takes a job in a status that it can start from", () => {
  for (const move of [end, expire, extend]) expectTypeOf(move).parameter(0).toEqualTypeOf<RunningJob>();
  expectTypeOf(retry).parameter(0).toEqualTypeOf<FailedJob>();
  expectTypeOf(settleEnd).parameter(0).toEqualTypeOf<EndedJob>();
  expectTypeOf(stop).parameter(0).toEqualTypeOf<WaitingJob | RunningJob>();
});

test("a move can set only the fields that are its own, and never the status", () => {
  type FieldsOf<M extends (...given: never[]) => Move> = keyof ReturnType<M>["set"];
  expectTypeOf<FieldsOf<typeof becomeDue>>().toEqualTypeOf<"dueAt">();
  expectTypeOf<FieldsOf<typeof retry>>().toEqualTypeOf<"retryCount" | "startAt" | "dueAt" | "updatedAt">();
  expectTypeOf<FieldsOf<typeof claim>>().toEqualTypeOf<
    "attempts" | "startedAt" | "updatedAt" | "leaseUntil" | "dueAt"
  >();
  expectTypeOf<"status">().not.toExtend<keyof Move["set"]>();
});
