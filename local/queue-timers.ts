// How often the emulated queues wake up. While somebody polls a queue of fauxqs, it looks fifty times a second for
// messages that become visible, also where none is hidden: with nine queues, most of what a stack does that has no work.

/** The parts of fauxqs' class for a queue that matter here. */
interface Queue {
  readonly inflightMessages: ReadonlyMap<string, unknown>;
  readonly delayedMessages: readonly unknown[];
  readonly fifoDelayed: ReadonlyMap<string, unknown>;
  readonly pollWaiters: readonly unknown[];
  pollTimer?: NodeJS.Timeout | undefined;
  /** Begins to look. */
  startPollTimerIfNeeded: (this: Queue) => void;
  /** Looks once. */
  processTimers: (this: Queue) => void;
}

/** What hides a message, for a delay or while it is in hand. */
const HIDING = ["enqueue", "dequeue", "changeVisibility"] as const;

type Method = (this: Queue, ...args: unknown[]) => unknown;

/** Lets each queue look only while a message in it is hidden. Messages that are visible at once wake the polls anyway. */
export async function lookWhileHidden(): Promise<void> {
  const { href } = new URL("sqs/sqsStore.js", import.meta.resolve("fauxqs"));
  const { SqsQueue } = (await import(href)) as { SqsQueue: { prototype: Queue & Record<string, Method> } };
  const { prototype } = SqsQueue;
  const { startPollTimerIfNeeded: begin, processTimers: look } = prototype;
  prototype.startPollTimerIfNeeded = function (this: Queue) {
    if (hides(this)) begin.call(this);
  };
  prototype.processTimers = function (this: Queue) {
    look.call(this);
    if (hides(this)) return;
    clearInterval(this.pollTimer);
    this.pollTimer = undefined;
  };
  for (const name of HIDING) {
    const method = prototype[name] as Method;
    prototype[name] = function (this: Queue, ...args: unknown[]) {
      const result = method.apply(this, args);
      if (this.pollWaiters.length > 0) this.startPollTimerIfNeeded();
      return result;
    };
  }
}

function hides({ inflightMessages, delayedMessages, fifoDelayed }: Queue): boolean {
  return inflightMessages.size > 0 || delayedMessages.length > 0 || fifoDelayed.size > 0;
}
