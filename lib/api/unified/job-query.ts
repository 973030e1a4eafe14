import * as z from "../../zod.ts";
import { iso } from "../../clock.ts";
import { EXECUTION_TYPES } from "../../executors/index.ts";
import { idempotencyKey } from "../../executors/message-schema.ts";
import { dateTimeInQuery } from "../../job/date-time.ts";
import { REPEATED, anyOf, filterFields, filterOf, type JobFilter } from "../../job/job-filter.ts";
import type { ServiceParts } from "../../parts.ts";
import { countJobs, type JobCount } from "../../store/job-list.ts";
import { enveloped, time } from "../http/answers.ts";
import { appOf, requireRole, type Caller } from "../http/auth.ts";
import { envelope, route, type Answer } from "../http/http.ts";

// The filter of lists and counts, as a query.

const afterOrAt = z.optional(dateTimeInQuery.check(z.describe("Or at that time.")));

const fields = {
  ...filterFields(),
  executionType: z.optional(anyOf(z.enum(EXECUTION_TYPES as [string, ...string[]]))),
  idempotencyKey: z.optional(idempotencyKey),
  createdAfter: afterOrAt,
  createdBefore: afterOrAt,
  updatedAfter: afterOrAt,
  updatedBefore: afterOrAt,
  appId: z.optional(z.guid().check(z.toLowerCase())),
};

type Created = Readonly<Partial<Record<"createdAfter" | "createdBefore", string | undefined>>>;

function checked<T extends z.ZodMiniType<Created>>(query: T): T {
  return query.check((context) => {
    const { createdAfter, createdBefore } = context.value;
    const before = asTime(createdBefore, Infinity);
    const isInOrder = before < 0 || asTime(createdAfter, 0) <= before;
    if (before >= 0 && isInOrder) return;
    const message = `must not be earlier than ${isInOrder ? "1970" : "createdAfter"}`;
    context.issues.push({ code: "custom", path: ["createdBefore"], message, input: createdBefore });
  });
}

function asTime(text: string | undefined, absent: number): number {
  return text === undefined ? absent : Date.parse(text);
}

const countQuery = checked(z.strictObject(fields));

/** The conditions, and the page. */
export const listQuery = checked(
  z.strictObject({
    ...fields,
    include: z.optional(z.literal("waiting").check(z.describe("Says of each job why it waits, as `waiting`."))),
    limit: z._default(z.coerce.number().check(z.int(), z.minimum(1), z.maximum(100)), 50),
    cursor: z.optional(z.string().check(z.maxLength(2_048))),
  }),
);

type FilterQuery = z.infer<typeof countQuery>;

/** Throws FORBIDDEN for another app's jobs. */
export function filterIn({ appId, ...conditions }: FilterQuery, caller: Caller): JobFilter {
  return filterOf(appOf(caller, appId), conditions);
}

/** The same filter with what has to be read for it: the index of the one group that it names, and the backlogs that it means. */
export async function resolved(
  filter: JobFilter,
  { store, waits }: Pick<ServiceParts, "store" | "waits">,
): Promise<JobFilter> {
  const [only, ...others] = filter.group ?? [];
  const group = only !== undefined && others.length === 0 ? await store.get(only) : undefined;
  const isGroup = group?.fanIn && group.appId === filter.appId;
  const { appId, waiting } = filter;
  return {
    ...filter,
    ...(isGroup && { memberOf: { id: group.id, createdAt: group.createdAt } }),
    ...(waiting && { backlogs: await (await waits()).backlogsFor(appId, waiting) }),
  };
}

export const jobCount = z
  .strictObject({
    count: z.int(),
    isLowerBound: z
      .boolean()
      .check(z.describe("There may be more: it was counted to 1,000, or as far as lookedBackTo.")),
    lookedBackTo: z
      .nullable(time)
      .check(z.describe("The creation of the last job that was looked at; null: all were.")),
  })
  .register(z.globalRegistry, { id: "JobCount" });

export function countView({ lookedBackTo, ...counted }: JobCount): object {
  return { ...counted, lookedBackTo: lookedBackTo === undefined ? null : iso(Math.max(lookedBackTo, 0)) };
}

export const countAppJobs = route({
  key: "GET /v1/admin/jobs/count",
  id: "countJobs",
  summary: "Counts an app's jobs that fit a filter, to 1,000",
  answers: { 200: enveloped(jobCount).check(z.describe("Among the newest 4,000 that may fit.")) },
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  query: countQuery,
  repeated: REPEATED,

  async handle({ query, caller }, service): Promise<Answer> {
    const filter = await resolved(filterIn(query, caller), service);
    return { status: 200, body: envelope(countView(await countJobs(service.store, filter, EXECUTION_TYPES))) };
  },
});
