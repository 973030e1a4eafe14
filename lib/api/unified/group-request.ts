import * as z from "../../zod.ts";
import { DAY, HOUR, MINUTE, SECOND, iso, type EpochMs } from "../../clock.ts";
import { badRequest } from "../../errors.ts";
import { cancelOnFailure, expectedMembers } from "../../executors/group.ts";
import { callback, idempotencyKey } from "../../executors/message-schema.ts";
import { dateTime } from "../../job/date-time.ts";
import { STATUSES } from "../../job/status.ts";
import { wholeUrl } from "../../outbound/target-url.ts";
import { memberCounts, time } from "../http/answers.ts";
import { flatJob } from "./flat-job.ts";

// What is asked of groups and shown of them.

const UNITS: Readonly<Record<string, number>> = { s: SECOND, m: MINUTE, h: HOUR, d: DAY };
const LONGEST_SEAL = 30 * DAY;

const duration = z.string().check(
  z.regex(/^[1-9]\d{0,6}[smhd]$/, "expected a duration such as 90m, 24h or 7d, or a date and time"),
  z.refine((text) => msOf(text) <= LONGEST_SEAL, "must be at most 30d"),
);

function msOf(text: string): number {
  return Number.parseInt(text, 10) * (UNITS[text.at(-1) ?? ""] ?? NaN);
}

export const groupBody = z
  .strictObject({
    appId: z.optional(
      z.guid().check(z.toLowerCase(), z.describe("Default: the token's. Another one is for PLATFORM_ADMIN.")),
    ),
    key: z.optional(idempotencyKey),
    expected: z.optional(expectedMembers),
    sealBy: z._default(
      z
        .union([duration, dateTime])
        .check(
          z.describe(
            "A group that has not been sealed by then is FAILED: a duration from now, or a time. At most 30d.",
          ),
        ),
      "24h",
    ),
    cancelOnFailure,
    onComplete: z.optional(z.union([wholeUrl, callback]).check(z.describe("Where the group is posted as it ended."))),
    onSuccess: z.optional(flatJob),
    onFailure: z.optional(flatJob),
  })
  .register(z.globalRegistry, {
    id: "CreateGroup",
    description: "A group: `expected` seals it with its last member, else `POST …/seal`.",
  });

/** The time of `sealBy`. Throws BAD_REQUEST for one out of reach. */
export function sealTime(sealBy: string, now: EpochMs): EpochMs {
  const at = duration.safeParse(sealBy).success ? now + msOf(sealBy) : Date.parse(sealBy);
  if (at > now && at <= now + LONGEST_SEAL) return at;
  throw badRequest([{ field: "sealBy", message: `must be within the next 30 days: it is now ${iso(now)}` }]);
}

export const sealBody = z.strictObject({ expected: z.optional(expectedMembers) }).register(z.globalRegistry, {
  id: "SealGroup",
  description: "Without `expected`, the members are counted a minute later, until twice alike.",
});

export const groupEntity = z
  .strictObject({
    id: z.guid(),
    appId: z.guid(),
    key: z.nullable(z.string()),
    status: z.enum(STATUSES).check(z.describe("PENDING until all members have ended.")),
    reason: z
      .nullable(z.string())
      .check(z.describe("`seal_timeout` or `count_mismatch` of a group that had other members.")),
    expected: z.nullable(z.int()).check(z.describe("How many members it has; null while nobody knows.")),
    sealBy: time,
    sealedAt: z.nullable(time).check(z.describe("Since then nothing becomes a member any more.")),
    cancelOnFailure: z.boolean(),
    members: z.extend(memberCounts, { ended: z.int() }),
    approximate: z
      .boolean()
      .check(z.describe("Whether the members are counted from the table's stream: until the end.")),
    failedJobIds: z.array(z.guid()).check(z.describe("Of an ended group: the first 1,000 that were FAILED or DEAD.")),
    lastError: z.nullable(z.string()),
    followUpJobIds: z.array(z.guid()),
    createdAt: time,
    updatedAt: time,
  })
  .register(z.globalRegistry, {
    id: "Group",
    description: "A group as it stands. `GET /v1/admin/jobs/{id}` shows it as a job.",
  });
