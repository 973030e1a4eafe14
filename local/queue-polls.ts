import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import type { ServerResponse } from "node:http";

// The polls of the emulated queues. While somebody polls a queue of fauxqs, it looks fifty times a second for messages
// that become visible, also where none is hidden: with nine queues, most of what a stack does that has no work. And it
// hands a message to a poll whose caller is gone, and hides it.

/** The parts of fauxqs' class for a queue that matter here. */
interface Queue {
  readonly inflightMessages: ReadonlyMap<string, unknown>;
  readonly delayedMessages: readonly unknown[];
  readonly fifoDelayed: ReadonlyMap<string, unknown>;
  readonly pollWaiters: readonly { readonly resolve: () => void; readonly timer: NodeJS.Timeout }[];
  pollTimer?: NodeJS.Timeout | undefined;
  /** Begins to look. */
  startPollTimerIfNeeded: (this: Queue) => void;
  /** Looks once. */
  processTimers: (this: Queue) => void;
  /** Resolves when a message may be there, or when so much time has passed. */
  waitForMessages: (this: Queue, seconds: number) => Promise<void>;
  stopPollTimerIfEmpty: (this: Queue) => void;
}

/** To whom the running request is answered. */
const caller = new AsyncLocalStorage<ServerResponse>();

interface Fastify {
  addHook(
    name: "preHandler",
    hook: (request: unknown, reply: { readonly raw: ServerResponse }, done: () => void) => void,
  ): void;
}

/** Notes the caller of each request to a fauxqs that is started later. */
export function noteCallers(): void {
  subscribe("fastify.initialization", (made) => {
    const { fastify } = made as { fastify: Fastify };
    fastify.addHook("preHandler", (_, { raw }, done) => caller.run(raw, done));
  });
}

/** Ends the poll of a caller that is gone, without an answer: what would answer it hides a message. */
function leaveWithCaller(queue: Queue, response: ServerResponse): void {
  const poll = queue.pollWaiters.at(-1);
  response.once("close", () => {
    const at = poll === undefined ? -1 : queue.pollWaiters.indexOf(poll);
    if (at < 0) return;
    clearTimeout(poll?.timer);
    (queue.pollWaiters as unknown[]).splice(at, 1);
    queue.stopPollTimerIfEmpty();
  });
}

/** What hides a message, for a delay or while it is in hand. */
const HIDING = ["enqueue", "dequeue", "changeVisibility"] as const;

type Method = (this: Queue, ...args: unknown[]) => unknown;

/** Lets a poll end with its caller, and a queue look only while it hides messages. Visible ones wake the polls anyway. */
export async function adaptPolls(): Promise<void> {
  const { href } = new URL("sqs/sqsStore.js", import.meta.resolve("fauxqs"));
  const { SqsQueue } = (await import(href)) as { SqsQueue: { prototype: Queue & Record<string, Method> } };
  const { prototype } = SqsQueue;
  const { startPollTimerIfNeeded: begin, processTimers: look, waitForMessages: wait } = prototype;
  prototype.waitForMessages = async function (this: Queue, seconds: number) {
    const waited = wait.call(this, seconds);
    const response = caller.getStore();
    if (response) leaveWithCaller(this, response);
    return waited;
  };
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
