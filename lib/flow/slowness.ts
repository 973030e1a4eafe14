import { HOUR, MINUTE, SECOND, type Clock, type EpochMs } from "../clock.ts";
import type { CallRef } from "../job/attempt.ts";
import { remember } from "../job/remember.ts";
import { LONGEST_DESTINATION, keyOf, type DestinationRef, type DestinationStore } from "./destination-store.ts";

// Which destinations are slow, and which apps call many that are.

/** An attempt that takes longer, in real time, is slow. */
export const SLOW_AFTER_MS = 5 * SECOND;
/** The real time for which a destination counts as slow after the last slow attempt. */
const SLOW_FOR_MS = 10 * MINUTE;
/**
 * A destination is slow if half of its last attempts were, and an app if half of the destinations it called last are.
 * Where an app has more slow attempts than its share, each destination of theirs is, however many quick ones it has too.
 */
const LAST = 10;
/** An app that calls fewer slow destinations is not slow as a whole: they are, each for itself. */
const FEWEST_OF_APP = 5;
/**
 * An app is slow too, for as long, if so many of its destinations had slow attempts beyond its share within this real
 * time: it may call a new host with each of them, and quick ones between.
 */
const FEWEST_BEYOND = 3;
const BEYOND_FOR_MS = HOUR;

/** How many slow attempts an app has: fewer than its share, as many, or more. */
export type Amount = "within" | "at limit" | "beyond";

interface Parts {
  readonly clock: Clock;
  readonly destinations: Pick<DestinationStore, "slowUntil" | "markSlow" | "countSlow">;
}

export function createSlowness({ clock, destinations }: Parts) {
  /** Whether each of the last attempts of a destination that this process has seen was slow. */
  const attempts = new Map<string, readonly boolean[]>();
  /** The destinations that the app called last, and whether they are slow. */
  const called = new Map<string, ReadonlyMap<string, boolean>>();
  /** When this process counted a destination as one with slow attempts beyond the share. */
  const counted = new Map<string, EpochMs>();

  /**
   * Whether the destination of an attempt is known to be slow. One that nothing is known of is as its app is: an app may
   * call another host with every job.
   */
  async function isSlow(ref: CallRef): Promise<boolean> {
    const isLong = ref.destination.length > LONGEST_DESTINATION;
    if (!isLong && (await isMarked(ref))) return true;
    return !attempts.has(keyOf(ref)) && isMarked(wholeApp(ref));
  }

  async function isMarked(ref: DestinationRef): Promise<boolean> {
    return (await destinations.slowUntil(ref)) > clock.now();
  }

  /** Notes a slow attempt. */
  async function noteSlow(ref: CallRef, ofApp: Amount): Promise<void> {
    const { isSlowNow, isAppSlow } = remembered(ref, true);
    if ((isSlowNow || ofApp !== "within") && ref.destination.length <= LONGEST_DESTINATION) await mark(ref);
    if (isAppSlow) await mark(wholeApp(ref));
    if (ofApp === "beyond") await countBeyond(ref);
  }

  async function countBeyond(ref: CallRef): Promise<void> {
    const app = wholeApp(ref);
    const now = clock.now();
    const atMost = clock.during(BEYOND_FOR_MS);
    if (now - (counted.get(keyOf(ref)) ?? -Infinity) < atMost / 2) return;
    remember(counted, keyOf(ref), now);
    const count = await destinations.countSlow(app, ref.destination, { until: now + atMost, most: FEWEST_BEYOND });
    if (count >= FEWEST_BEYOND) await destinations.markSlow(app, now + atMost);
  }

  function noteQuick(ref: CallRef): void {
    remembered(ref, false);
  }

  function remembered(ref: CallRef, wasSlow: boolean) {
    const key = keyOf(ref);
    const last = [...(attempts.get(key) ?? []), wasSlow].slice(-LAST);
    remember(attempts, key, last);
    const isSlowNow = isHalf(last);
    const others = new Map(called.get(ref.appId));
    others.delete(ref.destination);
    const ofApp = new Map([...others, [ref.destination, isSlowNow] as const].slice(-LAST));
    remember(called, ref.appId, ofApp);
    const slow = [...ofApp.values()].filter(Boolean);
    return { isSlowNow, isAppSlow: slow.length >= FEWEST_OF_APP && isHalf([...ofApp.values()]) };
  }

  /** Writes only when a good part of the time has passed since the last write. */
  async function mark(ref: DestinationRef): Promise<void> {
    const until = clock.now() + clock.during(SLOW_FOR_MS);
    if ((await destinations.slowUntil(ref)) < until - clock.during(SLOW_FOR_MS / 2))
      await destinations.markSlow(ref, until);
  }

  return { isSlow, noteSlow, noteQuick };
}

function isHalf(all: readonly boolean[]): boolean {
  return 2 * all.filter(Boolean).length >= all.length;
}

/** No destination has such a name. */
function wholeApp({ appId }: CallRef): DestinationRef {
  return { appId, destination: "(app)" };
}
