import { CLIENT_DEFAULTS, adaptClients } from "../lib/aws.ts";

// A Lambda runs one batch; a process of the local stack runs many on one event loop. A loop that is late sees a timer
// fire before it reads an answer that has long come, which must not look like an outage of the table.

/** A timer that fires this late, in ms, says that the loop was busy or the process stopped. */
const LATE_MS = 20;

interface Handler {
  updateHttpClientConfig(key: string, value: number): void;
  handle(request: unknown, options?: object): Promise<unknown>;
}

/** The least that the handler takes for an abort signal. */
interface Stop {
  aborted: boolean;
  onabort: (() => void) | null;
}

/** Has the clients of table, queues and EventBridge wait for answers by `patientTimer`. Called before they are made. */
export function waitPatiently(): void {
  const { requestTimeout } = CLIENT_DEFAULTS.requestHandler;
  adaptClients(({ config }) => {
    // The default handler of Node, whose settings the SDK's types leave open.
    const requestHandler = config.requestHandler as unknown as Handler;
    // On this machine a connection is refused at once, and a request that waits for a free socket would count as
    // one that can't connect.
    requestHandler.updateHttpClientConfig("connectionTimeout", 0);
    requestHandler.updateHttpClientConfig("requestTimeout", 0);
    requestHandler.updateHttpClientConfig("socketTimeout", 5 * requestTimeout);
    const handle = requestHandler.handle.bind(requestHandler);
    requestHandler.handle = async (request, options) => {
      const stop: Stop = { aborted: false, onabort: null };
      const cancel = patientTimer(requestTimeout, () => {
        stop.aborted = true;
        stop.onabort?.();
      });
      try {
        return await handle(request, { ...options, abortSignal: stop });
      } catch (error) {
        if (!stop.aborted) throw error;
        throw Object.assign(new Error(`No answer within ${requestTimeout} ms`), { name: "TimeoutError" });
      } finally {
        cancel();
      }
    };
  });
}

/** Calls `over` after `ms`, and gives the time once more whenever the event loop was late. Returns what cancels it. */
export function patientTimer(ms: number, over: () => void): () => void {
  let began = performance.now();
  const timer = setTimeout(() => {
    const lateMs = performance.now() - began - ms;
    if (lateMs <= LATE_MS) return over();
    began = performance.now();
    timer.refresh();
  }, ms);
  return () => clearTimeout(timer);
}
