/**
 * The jobs of an app that wait for the same thing. `app`: for a person to end the app's pause; `slot`: for a task slot;
 * `to …`: for a destination that is held, open or at its limits.
 */
export type BacklogName = "app" | "slot" | `to ${string}`;

export interface BacklogRef {
  readonly appId: string;
  readonly backlog: BacklogName;
}
