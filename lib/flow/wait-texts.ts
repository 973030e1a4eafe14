import { iso } from "../clock.ts";
import type { Limit } from "../job/backlog.ts";
import type { DestinationLimits } from "../store/app-settings.ts";
import type { Circuit } from "./circuit.ts";
import { isShare } from "./shares.ts";

// The words in which people are told why a job waits.

/** How many jobs wait before one. `isMore`: at least as many. */
export interface Before {
  readonly count: number;
  readonly isMore: boolean;
}

/** In characters, of an error within a sentence. */
const LONGEST_ERROR = 200;

export function shortened(error: string): string {
  return error.length > LONGEST_ERROR ? `${error.slice(0, LONGEST_ERROR).toWellFormed()} …` : error;
}

export function limitText(at: string, reason: Limit, limits: DestinationLimits | undefined): string {
  const { rateLimitPerSecond: rate = null, maxConcurrency: most = null } = limits ?? {};
  if (isShare(at)) {
    const which = at === "(long)" ? "attempts of over 60 s" : "attempts at slow destinations";
    return `the app may have ${most} ${which} at once`;
  }
  if (reason === "rate") return rate === null ? `it has a turn at ${named(at)}` : `${named(at)} takes ${rate} a second`;
  return most === null ? `${named(at)} has taken as many as it may at once` : `${named(at)} takes ${most} at once`;
}

export function shutText(destination: string, { state, since, lastError }: Circuit): string {
  const error = lastError === undefined ? "" : ` (${shortened(lastError)})`;
  if (state === "held") return `${named(destination)} is held since ${iso(since)}${error} until a person resumes it`;
  return `${named(destination)} fails since ${iso(since)}${error}, and one job a minute tries it`;
}

function named(destination: string): string {
  return destination.includes("://") ? `the destination ${destination}` : `the function ${destination}`;
}

export function counted(before: Before | undefined): string {
  if (before === undefined) return "";
  const { count, isMore } = before;
  if (count === 0) return "; it is the next one";
  return `; ${count.toLocaleString("en")}${isMore ? " or more" : ""} ${count === 1 ? "waits" : "wait"} before it`;
}

export function plural(count: number, of: string): string {
  return `${count} ${of}${count === 1 ? "" : "s"}`;
}

export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
