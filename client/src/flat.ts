import type { Duration, FollowUp, When } from "./types.ts";

// What people write, as the service takes it.

const UNIT = { d: 86_400, h: 3_600, m: 60, s: 1 } as const;

/** The seconds of `"1h30m"`. */
export function secondsOf(duration: Duration): number {
  if (typeof duration === "number") return duration;
  const [whole, ...parts] = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(duration) ?? [];
  if (!whole)
    throw new TypeError(`"${duration}" is no duration: expected seconds, or text such as "90s", "10m", "1h30m", "2d"`);
  return Object.values(UNIT).reduce((sum, unit, at) => sum + unit * Number(parts[at] ?? 0), 0);
}

type Written = Pick<FollowUp, "delay" | "body" | "onSuccess" | "onFailure">;

/** The FlatJob of a job, or of a part of one. */
export function flat({ delay, body, onSuccess, onFailure, ...job }: Written): object {
  return {
    ...job,
    ...(delay !== undefined && { delaySeconds: secondsOf(delay) }),
    ...(body instanceof Uint8Array ? { bodyBase64: base64(body) } : { body }),
    ...(onSuccess && { onSuccess: flat(onSuccess) }),
    ...(onFailure && { onFailure: flat(onFailure) }),
  };
}

function base64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

const RATES = { d: "day", h: "hour", m: "minute" } as const;

/** `cron` and `every` as the service's expression. */
export function expressionOf({ cron, every, expression, ...rest }: When): object {
  if ([cron, every, expression].filter((each) => each !== undefined).length > 1)
    throw new TypeError("cron, every and expression are given together: expected one of them");
  if (cron !== undefined) return { ...rest, expression: `cron(${cron})` };
  if (every === undefined) return { ...rest, ...(expression !== undefined && { expression }) };
  const [, count, unit] = /^(\d+)([mhd])$/.exec(every) ?? [];
  if (!count || !unit) throw new TypeError(`every is "${every}": expected text such as "10m", "2h" or "1d"`);
  const name = RATES[unit as keyof typeof RATES];
  return { ...rest, expression: `rate(${count} ${name}${count === "1" ? "" : "s"})` };
}
