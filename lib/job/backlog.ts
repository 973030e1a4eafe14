/**
 * The jobs of an app that wait for the same thing. `app`: for a person to end the app's pause; `slot`: for a task slot;
 * `to …`: for a destination that is held, open or at its limits.
 */
export type BacklogName = "app" | "slot" | `to ${string}`;

export interface BacklogRef {
  readonly appId: string;
  readonly backlog: BacklogName;
}

const TO = "to ";

/** The backlog of the jobs that wait for a destination. */
export function backlogTo(destination: string): BacklogName {
  return `${TO}${destination}`;
}

/** The destination that the jobs of a backlog wait for; undefined if they wait for something else. */
export function destinationOf(backlog: BacklogName): string | undefined {
  return backlog.startsWith(TO) ? backlog.slice(TO.length) : undefined;
}

/** A limit of a destination, or of an app's share of a queue. */
export type Limit = "rate" | "concurrency";

/** The limit that made a job wait, as the letter that its item keeps. */
export const LIMIT_LETTERS = { rate: "r", concurrency: "c" } as const satisfies Record<Limit, string>;
export type LimitLetter = (typeof LIMIT_LETTERS)[Limit];

export function limitOf(letter: LimitLetter): Limit {
  return letter === LIMIT_LETTERS.rate ? "rate" : "concurrency";
}
