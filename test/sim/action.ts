import type { Service } from "./models/faults.ts";

export type Action = { readonly at: number } & (
  | { readonly kind: "post"; readonly n: number; readonly app: number; readonly body: object; readonly times: number }
  /** What a person of an app does to the job that the nth post made, perhaps for another app. */
  | { readonly kind: "person"; readonly app: number; readonly does: PersonDoes; readonly post: number }
  | { readonly kind: "settings"; readonly app: number; readonly settings: object }
  | { readonly kind: "target"; readonly destination: number; readonly mood: Mood }
  /** A process dies, or stands still. */
  | { readonly kind: "kill" | "freeze"; readonly ms: number }
  | { readonly kind: "outage"; readonly service: Service; readonly ms: number }
  /** A queue forgets what it holds. */
  | { readonly kind: "empty"; readonly queue: string }
);

export type PersonDoes = "read" | "cancel" | "deadletter" | "retry" | "retry once" | "delete";

/** How a target behaves. `gone` answers 410, `silent` never answers. */
export type Mood = "well" | "failing" | "flaky" | "slow" | "silent" | "busy" | "gone";
