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
