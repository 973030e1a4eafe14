import * as z from "../../zod.ts";
import { iso } from "../../clock.ts";
import { destinationOf } from "../../job/backlog.ts";
import { STATUSES, type Status } from "../../job/status.ts";
import { WAIT_REASONS, type WaitReason } from "../../job/waiting.ts";
import { isShare } from "../../flow/shares.ts";
import type { ServiceParts } from "../../parts.ts";
import type { CountsNow } from "../../store/counts.ts";
import { reasonOfGauge, statusOfGauge } from "../../store/hours.ts";
import { enveloped, time } from "../http/answers.ts";
import { appOf, requireRole } from "../http/auth.ts";
import { envelope, route, type Answer } from "../http/http.ts";

// How many jobs an app has now.

const MOST_DESTINATIONS = 20;

const byStatus = z.strictObject(Object.fromEntries(STATUSES.map((status) => [status, z.int()])));

const counts = z
  .strictObject({
    approximate: z.literal(true),
    asOf: time.check(z.describe("The counts are some seconds behind it.")),
    correctedAt: z
      .nullable(time)
      .check(z.describe("When they were last compared with the jobs themselves; null: not yet.")),
    byStatus,
    waiting: z
      .strictObject(Object.fromEntries(WAIT_REASONS.map((reason) => [reason, z.int()])))
      .check(z.describe("PENDING and RETRYING jobs by `waiting.reason`, schedules and groups aside.")),
    byType: z.record(z.string(), byStatus).check(z.describe("By execution type and status.")),
    destinations: z
      .array(
        z.strictObject({
          destination: z.string(),
          waiting: z.int().check(z.describe("Those with a turn by its rate, too.")),
          reason: z.enum(WAIT_REASONS),
          since: z.nullable(time).check(z.describe("Since when it fails or is held.")),
          lastError: z.nullable(z.string()),
        }),
      )
      .check(z.describe(`The ${MOST_DESTINATIONS} for which most jobs wait.`)),
  })
  .register(z.globalRegistry, {
    id: "Counts",
    examples: [
      {
        approximate: true,
        asOf: "2027-01-15T10:00:00.000Z",
        correctedAt: "2027-01-15T09:31:12.000Z",
        byStatus: { PENDING: 264, RUNNING: 14, RETRYING: 61, SUCCEEDED: 8_204, FAILED: 2, DEAD: 482, CANCELLED: 0 },
        waiting: {
          delayed: 12,
          backoff: 61,
          queued: 3,
          order: 0,
          rate: 180,
          concurrency: 0,
          outage: 0,
          held: 61,
          paused: 0,
          slot: 0,
        },
        byType: {
          "rest-api": {
            PENDING: 256,
            RUNNING: 14,
            RETRYING: 61,
            SUCCEEDED: 8_204,
            FAILED: 2,
            DEAD: 482,
            CANCELLED: 0,
          },
          schedule: { PENDING: 8, RUNNING: 0, RETRYING: 0, SUCCEEDED: 0, FAILED: 0, DEAD: 0, CANCELLED: 0 },
        },
        destinations: [
          { destination: "https://hooks.example.com", waiting: 180, reason: "rate", since: null, lastError: null },
          {
            destination: "https://api.example.org",
            waiting: 61,
            reason: "held",
            since: "2027-01-15T09:12:00.000Z",
            lastError: "HTTP 410",
          },
        ],
      },
    ],
  });

export const getCounts = route({
  key: "GET /v1/admin/counts",
  id: "getCounts",
  summary: "Counts an app's jobs as they are now, and why they wait",
  answers: { 200: enveloped(counts).check(z.describe("The counts, some seconds behind, corrected once an hour.")) },
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  query: z.strictObject({ appId: z.optional(z.guid().check(z.toLowerCase())) }),

  async handle({ query, caller }, service): Promise<Answer> {
    const appId = appOf(caller, query.appId);
    const { counts: store } = await service.counting();
    const now = await store.read(appId);
    const byType = typesOf(now);
    const { waiting, destinations } = await waitsOf(appId, now, service);
    const sums = STATUSES.map((status) => [status, Object.values(byType).reduce((sum, of) => sum + of[status], 0)]);
    return {
      status: 200,
      body: envelope({
        approximate: true,
        asOf: iso(service.clock.now()),
        correctedAt: now.correctedAt === undefined ? null : iso(now.correctedAt),
        byStatus: Object.fromEntries(sums),
        waiting,
        byType,
        destinations,
      }),
    };
  },
});

/** A change that was counted twice, or not at all, can make a gauge negative. */
function typesOf({ gauges, running }: CountsNow): Record<string, Record<Status, number>> {
  const types: Record<string, Record<Status, number>> = {};
  for (const [name, count] of gauges) {
    const { executionType, status } = statusOfGauge(name) ?? {};
    if (executionType === undefined || status === undefined) continue;
    const own = (types[executionType] ??= Object.fromEntries(STATUSES.map((each) => [each, 0])) as Record<
      Status,
      number
    >);
    own[status] = Math.max(status === "RUNNING" ? running(executionType) : count, 0);
  }
  return types;
}

/** A destination whose jobs all have a turn. */
const IN_TURN = { reason: "rate", since: null, lastError: null } as const;

async function waitsOf(appId: string, { gauges, backlogs }: CountsNow, { waits }: ServiceParts) {
  const waiting = Object.fromEntries(WAIT_REASONS.map((reason) => [reason, 0])) as Record<WaitReason, number>;
  for (const [name, count] of gauges) {
    const reason = reasonOfGauge(name);
    if (reason) waiting[reason] += Math.max(count, 0);
  }
  const filled = backlogs.filter(({ count }) => count > 0).toSorted((a, b) => b.count - a.count);
  const { ofBacklogs, withTurn } = await waits();
  const [told, turns] = await Promise.all([
    ofBacklogs(
      appId,
      filled.map(({ backlog }) => backlog),
    ),
    withTurn(appId),
  ]);
  const shown = told.map((each, at) => ({ ...each, count: filled[at]?.count ?? 0 }));
  for (const { reason, count } of shown) waiting[reason] += count;
  const destinations = shown.flatMap(({ backlog, reason, count, circuit }) => {
    const destination = destinationOf(backlog);
    if (destination === undefined || isShare(destination)) return [];
    const shut = circuit && circuit.state !== "closed" ? circuit : undefined;
    return [
      {
        destination,
        waiting: count + (turns.get(destination) ?? 0),
        reason,
        since: shut ? iso(shut.since) : null,
        lastError: shut?.lastError ?? null,
      },
    ];
  });
  const others = [...turns].filter(([destination]) => destinations.every((each) => each.destination !== destination));
  const inTurn = others.map(([destination, count]) => ({ ...IN_TURN, destination, waiting: count }));
  const all = [...destinations, ...inTurn].toSorted((a, b) => b.waiting - a.waiting);
  return { waiting, destinations: all.slice(0, MOST_DESTINATIONS) };
}
