import type { Callback, StatusPolicy } from "../job/message.ts";

// What holds for an app: the settings of its administrators, within the limits of the operator.

/** Set by the administrators of an app. An app exists once a token names it. */
export interface AppSettings {
  readonly name: string | null;
  /** Allowed targets: origins with an optional path prefix, `*.` for any host below. Empty: any public https. */
  readonly allowedCallbackUrls: readonly string[];
  /** The deployment's functions that its jobs may invoke, with `*` for any characters. Empty: all of them. */
  readonly allowedFunctions: readonly string[];
  /** Redirects with 307 or 308 to the same host by https are followed, at most five in a row. */
  readonly followRedirects: boolean;
  /** The callback of jobs that name none themselves. */
  readonly onComplete: Callback | null;
  /** Which answers are final for jobs that say nothing of them. */
  readonly retry: StatusPolicy | null;
  /** What a repeated key is compared by: the whole request, or where it goes, as in earlier versions. */
  readonly idempotency: "request" | "target";
  /** Null: no limit. */
  readonly requestsPerSecond: number | null;
  /** The most tasks of the app that run at once. Default: 5. */
  readonly maxConcurrentTasks: number;
  /** The most requests of the app that wait for news at once. Null: as many as the operator allows, by default 20. */
  readonly waitersPerApp: number | null;
  /** Days are of UTC; null: no limit. */
  readonly pdfPagesPerDay: number | null;
  /** Which users may have the ends of their long PDF jobs told: all, or those who may create jobs. */
  readonly userWebhooks: "any" | "permission";
  /** The destinations that have a limit of their own. */
  readonly destinations: readonly DestinationLimits[];
  /** Jobs are accepted and kept, and none starts. */
  readonly paused: boolean;
}

/** Null: no limit. */
export interface DestinationLimits {
  /** An origin or a function's name. */
  readonly destination: string;
  readonly rateLimitPerSecond: number | null;
  readonly maxConcurrency: number | null;
}

export const DEFAULT_SETTINGS: AppSettings = {
  name: null,
  allowedCallbackUrls: [],
  allowedFunctions: [],
  followRedirects: false,
  onComplete: null,
  retry: null,
  idempotency: "request",
  requestsPerSecond: null,
  maxConcurrentTasks: 5,
  waitersPerApp: null,
  pdfPagesPerDay: null,
  userWebhooks: "any",
  destinations: [],
  paused: false,
};

/** `version` counts the changes: 0 while the defaults apply. */
export interface VersionedSettings extends AppSettings {
  readonly version: number;
}

// ---- Limits ----

const GIB = 1_024 ** 3;

/** `unset`: while the operator has said nothing. */
interface Limit {
  readonly unset: number | null;
  readonly least: number;
  readonly most: number;
  readonly about: string;
  /** The meaning of null. Default: no limit. */
  readonly ofNull?: string;
}

/**
 * The limits, a line each. Where an app has a setting of the same name, the tighter of the two holds; `settingsOf` has all
 * of them as they hold.
 */
export const LIMITS = {
  requestsPerSecond: { unset: null, least: 1, most: 1_000, about: "Requests of the app in a second." },
  readsPerSecond: { unset: 50, least: 1, most: 1_000, about: "Reads of administrators in a second." },
  changesPerSecond: { unset: 20, least: 1, most: 1_000, about: "Changes of settings and secrets in a second." },
  maxConcurrentTasks: { unset: 5, least: 1, most: 100, about: "Tasks that run at once." },
  concurrencyPerApp: {
    unset: null,
    least: 1,
    most: 1_000,
    about: "Attempts over 60 s at once, and as many at destinations that take longer than 5 s.",
    ofNull: "a fifth of the queue's executions: 20 and 40",
  },
  quickPdfsPerApp: { unset: 10, least: 1, most: 1_000, about: "Quick PDFs that are made at once." },
  waitersPerApp: { unset: 20, least: 1, most: 100, about: "Requests that wait for news at once." },
  recurringSchedules: { unset: 1_000, least: 0, most: 1_000_000, about: "Recurring schedules that have not ended." },
  datasets: { unset: 1_000, least: 0, most: 1_000_000, about: "Datasets." },
  datasetBytes: { unset: 10 * GIB, least: 0, most: 1_000_000 * GIB, about: "Bytes of all datasets." },
  uploadBytes: { unset: 50 * GIB, least: 0, most: 1_000_000 * GIB, about: "Bytes of uploaded and announced files." },
  pdfPagesPerDay: { unset: null, least: 0, most: 1e9, about: "Pages of PDFs in a day of UTC." },
} as const satisfies Record<string, Limit>;

export type LimitName = keyof typeof LIMITS;

export function describeLimit(name: LimitName): string {
  const { about, ofNull = "no limit" }: Limit = LIMITS[name];
  return `${about} Null: ${ofNull}.`;
}

export type AppLimits = Readonly<Record<LimitName, number | null>> & {
  /** The operator's own pause, which ends by the operator alone. */
  readonly paused: boolean;
};

/** `version` counts the changes: 0 while the defaults apply. */
export type VersionedLimits = AppLimits & { readonly version: number };

export const LIMIT_NAMES = Object.keys(LIMITS) as LimitName[];

export const DEFAULT_LIMITS: AppLimits = {
  ...(Object.fromEntries(LIMIT_NAMES.map((name) => [name, LIMITS[name].unset])) as Record<LimitName, number | null>),
  paused: false,
};

/** An app's settings and limits as they hold. */
export type SettingsInForce = AppSettings & Omit<AppLimits, keyof AppSettings>;

export function inForce(own: AppSettings, limits: AppLimits): SettingsInForce {
  const tightened = LIMIT_NAMES.map((name) => [name, tighter(ownLimit(own, name), limits[name])]);
  return { ...own, ...Object.fromEntries(tightened), paused: own.paused || limits.paused };
}

/**
 * The limits that a change of settings would pass. What was wider before the operator's change may stay, and a default is
 * what an app has that asks for nothing.
 */
export function passed(before: AppSettings, to: AppSettings, limits: AppLimits): LimitName[] {
  return LIMIT_NAMES.filter((name) => {
    const own = ownLimit(to, name);
    const isAsked = own !== ownLimit(before, name) && own !== ownLimit(DEFAULT_SETTINGS, name);
    return isAsked && tighter(own, limits[name]) !== own;
  });
}

function ownLimit(own: AppSettings, name: LimitName): number | null {
  return (own as Partial<Record<LimitName, number | null>>)[name] ?? null;
}

function tighter(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}
