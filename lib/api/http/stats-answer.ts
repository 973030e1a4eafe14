import * as z from "../../zod.ts";
import { STATUSES } from "../../job/status.ts";

// The counts of an app.

const counts = z.strictObject({
  jobs: z.int(),
  byStatus: z.strictObject(Object.fromEntries(STATUSES.map((status) => [status, z.int()]))),
  byExecutionType: z.record(z.string(), z.int()),
  successRate: z.nullable(z.number()).check(z.describe("Of those that have ended, cancelled ones aside.")),
  averageRetryCount: z.nullable(z.number()),
  latencyMs: z
    .strictObject({ p50: z.nullable(z.int()), p95: z.nullable(z.int()) })
    .check(z.describe("From accepted to succeeded, schedules aside; exact to a fifth.")),
});

export const stats = z.strictObject({
  approximate: z.literal(true),
  oldestDueAgeSeconds: z.int(),
  lastHour: counts,
  lastDay: counts,
});
