import * as z from "../../zod.ts";
import { DAY, iso, type Clock, type EpochMs } from "../../clock.ts";
import { badRequest } from "../../errors.ts";
import { dateTimeInQuery } from "../../job/date-time.ts";
import { STEPS, type Figures, type Step } from "../../store/series.ts";
import { enveloped, time } from "../http/answers.ts";
import { appOf, requireRole } from "../http/auth.ts";
import { envelope, route, type Answer } from "../http/http.ts";

// What an app's jobs did over time.

const MOST_DAYS: Readonly<Record<Step, number>> = { "5m": 1, "1h": 31, "1d": 90 };
const SHOWN_UNASKED = DAY;
/** Of what was counted by five minutes. */
const MINUTES_KEPT = 2 * DAY;

const instant = z.pipe(
  dateTimeInQuery,
  z.transform((text: string): EpochMs => Date.parse(text)),
);

const seriesQuery = z.strictObject({
  appId: z.optional(z.guid().check(z.toLowerCase())),
  from: z
    .optional(instant)
    .check(z.describe("The first point is the hour or day in which this is; default a day before `to`.")),
  to: z.optional(instant).check(z.describe("The last point is the one before which this ends; default now.")),
  step: z
    ._default(z.enum(["5m", "1h", "1d"]), "1h")
    .check(
      z.describe(
        "`1h`: at most 31 days; `1d`: days of UTC, at most 90; `5m`: a day of the last two, where a job counts in the minutes in which it was accepted, by its present status.",
      ),
    ),
});

const figures = {
  accepted: z.int(),
  succeeded: z.int(),
  failed: z.int().check(z.describe("Jobs that became FAILED or DEAD.")),
  dead: z.int().check(z.describe("Those of them that became DEAD.")),
  cancelled: z.int(),
  retried: z.int().check(z.describe("Attempts that another one follows.")),
  latencyMs: z
    .strictObject({ p50: z.nullable(z.int()), p95: z.nullable(z.int()) })
    .check(z.describe("From accepted, or the start asked for, to succeeded, schedules aside; exact to a fifth.")),
};

const example = {
  accepted: 1_204,
  succeeded: 1_180,
  failed: 14,
  dead: 12,
  cancelled: 0,
  retried: 61,
  latencyMs: { p50: 431, p95: 3_444 },
};

const series = z
  .strictObject({
    approximate: z.literal(true),
    from: time,
    to: time,
    step: z.enum(["5m", "1h", "1d"]),
    points: z.array(z.strictObject({ at: time.check(z.describe("The start of the hour or day.")), ...figures })),
    total: z.strictObject(figures),
    errors: z
      .array(z.strictObject({ error: z.string(), count: z.int() }))
      .check(
        z.describe(
          "The most frequent errors of failed attempts, by their first words: at most 20 of each hour, then `(others)`.",
        ),
      ),
    destinations: z
      .array(
        z.strictObject({
          destination: z.string(),
          retried: z.int().check(z.describe("Failed attempts that another one follows.")),
          failed: z.int().check(z.describe("Failed attempts that ended their job.")),
          dead: z.int().check(z.describe("Those of them whose job is DEAD.")),
        }),
      )
      .check(z.describe("Where most attempts failed, at most 20 of each hour, then `(others)`.")),
  })
  .register(z.globalRegistry, {
    id: "Series",
    description:
      "By the hour in which something happened: a job counts where it was accepted, and where it ended; errors and destinations are of whole hours.",
    examples: [
      {
        approximate: true,
        from: "2027-01-15T09:00:00.000Z",
        to: "2027-01-15T10:00:00.000Z",
        step: "1h",
        points: [{ at: "2027-01-15T09:00:00.000Z", ...example }],
        total: example,
        errors: [{ error: "HTTP 503", count: 51 }],
        destinations: [{ destination: "https://hooks.example.com", retried: 50, failed: 12, dead: 11 }],
      },
    ],
  });

export const getSeries = route({
  key: "GET /v1/admin/series",
  id: "getSeries",
  summary: "Counts what an app's jobs did, by hour or day, for the last 90 days",
  answers: { 200: enveloped(series).check(z.describe("The series, some seconds behind.")) },
  access: (caller) => requireRole(caller, "APP_ADMIN"),
  query: seriesQuery,

  async handle({ query, caller }, { counting, clock }): Promise<Answer> {
    const appId = appOf(caller, query.appId);
    const { step } = query;
    const { from, to } = rangeOf(query, clock);
    const { points, total, ...tops } = await (await counting()).series.of(appId, from, to, step);
    const shown = points.map(({ at, ...of }) => ({ at: iso(at), ...shownFigures(of) }));
    const range = { from: iso(from), to: iso(to), step };
    return {
      status: 200,
      body: envelope({ approximate: true, ...range, points: shown, total: shownFigures(total), ...tops }),
    };
  },
});

function shownFigures({ failed, dead, ...others }: Figures): object {
  return { ...others, failed: failed + dead, dead };
}

/** Whole steps: the one in which `from` is up to that in which `to` is. */
function rangeOf(query: z.infer<typeof seriesQuery>, clock: Clock): { from: EpochMs; to: EpochMs } {
  const { step } = query;
  const size = STEPS[step];
  const to = query.to ?? clock.now();
  const from = query.from ?? to - SHOWN_UNASKED;
  if (from >= to) {
    throw badRequest([{ field: "from", message: `is not before to, ${iso(to)}: expected an earlier time` }]);
  }
  const days = MOST_DAYS[step];
  if (to - from > days * DAY) {
    const instead = step === "1d" ? "" : step === "1h" ? "; take step=1d for up to 90 days" : "; take step=1h";
    throw badRequest([
      {
        field: "from",
        message: `is more than ${days} ${days === 1 ? "day" : "days"} before to: expected at most ${days}${instead}`,
      },
    ]);
  }
  if (step === "5m" && from < clock.now() - MINUTES_KEPT) {
    const message = "is more than two days ago, and no minutes are kept for longer: expected a later time, or step=1h";
    throw badRequest([{ field: "from", message }]);
  }
  return { from: Math.floor(from / size) * size, to: Math.ceil(to / size) * size };
}
