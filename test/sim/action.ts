import type { Service } from "./models/faults.ts";

export type Action = { readonly at: number } & (
  | { readonly kind: "post"; readonly n: number; readonly app: number; readonly body: object; readonly times: number }
  /** A person of an app makes a request about the job of the nth post, perhaps another app's. */
  | { readonly kind: "person"; readonly app: number; readonly does: PersonDoes; readonly post: number }
  | GroupAction
  /** A person of an app makes a request about a schedule by its key, perhaps several times at once. */
  | {
      readonly kind: "schedule";
      readonly app: number;
      readonly key: string;
      readonly does: ScheduleDoes;
      readonly body: object;
      readonly times: number;
    }
  | { readonly kind: "settings"; readonly app: number; readonly settings: object }
  | { readonly kind: "target"; readonly destination: number; readonly mood: Mood }
  /** A process dies, or is frozen. */
  | { readonly kind: "kill" | "freeze"; readonly ms: number }
  | { readonly kind: "outage"; readonly service: Service; readonly ms: number }
  /** A queue loses its messages. */
  | { readonly kind: "empty"; readonly queue: string }
);

/** A client makes a group and posts its members, each at a time after that. Members are numbered as posts. */
export interface GroupAction {
  readonly kind: "group";
  readonly n: number;
  readonly app: number;
  readonly body: object;
  readonly members: readonly {
    readonly n: number;
    readonly after: number;
    readonly body: object;
    readonly times: number;
  }[];
  readonly seal: "by its last member" | "with a number" | "counted" | "never";
}

export type PersonDoes = "read" | "cancel" | "deadletter" | "retry" | "retry once" | "delete";

export type ScheduleDoes = "put" | "patch" | "pause" | "resume" | "run";

/** How a target behaves. `gone` answers 410, `silent` never answers. */
export type Mood = "well" | "failing" | "flaky" | "slow" | "silent" | "busy" | "gone";
