import type { EpochMs } from "../../lib/clock.ts";
import type { Command } from "./models/client.ts";
import type { Service } from "./models/faults.ts";
import type { Random } from "./random.ts";

// The faults of calls, as they are drawn: of a try, of a batch, and of the latency.

/** The fate of one try of a call. */
export type Fate =
  | "fine"
  | "throttled"
  | "failed"
  | "conflict"
  /** It is carried out, and its answer lost. */
  | "lost"
  /** It is carried out after the caller has given up. */
  | "late"
  | "dies before"
  | "dies after"
  | "slow";

/** A fault at the nth write of a run, counted from 1: its writer dies before or after it, or its answer is lost. */
export interface Mishap {
  readonly write: number;
  readonly fate: "dies before" | "dies after" | "lost";
}

export interface FateParts {
  readonly now: () => EpochMs;
  readonly random: Random;
  /** How often a try has a fault now. */
  readonly faultRate: () => number;
  /** Calls take no time, and all happens in its order. */
  readonly isCalm: boolean;
}

const CONFLICTS: ReadonlySet<string> = new Set(["UpdateItemCommand", "PutItemCommand", "TransactWriteItemsCommand"]);
const FATES: readonly Fate[] = ["throttled", "failed", "lost", "lost", "late", "dies before", "dies after", "slow"];

export function createFates({ now, random, faultRate, isCalm }: FateParts) {
  const outages = new Map<Service, EpochMs>();
  const isRough = () => faultRate() > 0;

  function of(service: Service, command: Command): Fate {
    const rate = faultRate();
    if ((outages.get(service) ?? 0) > now()) return random.pick(["throttled", "failed", "lost"]);
    if (rate === 0 || !random.chance(rate)) return "fine";
    const isWritten = CONFLICTS.has(command.constructor.name);
    return random.pick([...FATES, isWritten ? "conflict" : "failed"]);
  }

  /** One way of a call, in ms. */
  function latency(): number {
    if (isCalm) return 0;
    return isRough() && random.chance(0.03) ? random.between(50, 1_000) : random.between(1, 6);
  }

  /** The part of a call that the service accepts: SQS may refuse one entry of a batch. */
  function partly(service: Service, command: Command): readonly [Command | undefined, object?] {
    const { Entries = [], ...input } = command.input as { Entries?: { Id?: string }[] };
    if (service !== "sqs" || Entries.length === 0 || !isRough() || !random.chance(0.02)) return [command];
    const refused = random.pick(Entries);
    const rest = Entries.filter((entry) => entry !== refused);
    const failure = { Id: refused.Id, Code: "InternalError", SenderFault: false };
    if (rest.length === 0) return [undefined, failure];
    const taken = Object.create(Object.getPrototypeOf(command) as object) as Command;
    return [Object.assign(taken, { input: { ...input, Entries: rest } }), failure];
  }

  return {
    of,
    latency,
    partly,
    outage: (service: Service, ms: number): void => void outages.set(service, now() + ms),
  };
}
