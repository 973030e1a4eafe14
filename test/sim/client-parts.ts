import type { Caller } from "../../lib/api/http/auth.ts";
import { createWaits } from "../../lib/flow/waits.ts";
import type { ServiceParts } from "../../lib/parts.ts";
import type { Invariants } from "./invariants.ts";
import type { Plant } from "./plant.ts";
import type { Container, Invoke } from "./process.ts";
import type { Random } from "./random.ts";
import type { Time } from "./time.ts";

// The parts of those who call the API.

export interface ClientParts {
  readonly time: Time;
  readonly random: Random;
  readonly invariants: Invariants;
  readonly invoke: Invoke;
  readonly plant: Plant | undefined;
  readonly trace: (line: string) => void;
  /** The job of each post, once its client knows it. */
  readonly posted: Map<number, string>;
}

/** The parts that endpoints get; those that are called here use no others. */
export function serviceIn({ parts, apps, audit, engine }: Container): ServiceParts {
  const service = { ...parts, apps, audit, engine } as unknown as ServiceParts;
  return { ...service, waits: async () => createWaits(service) };
}

export function callerOf({ plant }: ClientParts, appId: string): Caller {
  const caller = { sub: "client", appId, roles: ["APP_ADMIN"], permissions: [] };
  return plant?.caller?.(caller) ?? caller;
}
