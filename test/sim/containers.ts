import type { TimeLeft } from "../../lib/clock.ts";
import { TIMEOUTS, type Container, type FunctionName } from "./process.ts";
import type { Time } from "./time.ts";

// The containers of functions: an invocation takes an idle one, or starts one.

interface Parts {
  readonly time: Time;
  /** Of all functions, while they are alive. */
  readonly containers: ReadonlySet<Container>;
  readonly start: (name: string) => Container;
  readonly onMistake: (error: Error) => void;
  readonly trace: (line: string) => void;
}

export function createInvoke({ time, containers, start, onMistake, trace }: Parts) {
  function threw(error: unknown): undefined {
    // Faults of services are expected; a mistake of the code is not.
    const isOurs = error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError;
    if (isOurs) onMistake(error);
    trace(`threw ${(error as Error).name}`);
    return undefined;
  }

  return async <T>(name: FunctionName, run: (container: Container, timeLeft: TimeLeft) => Promise<T>) => {
    const idle = [...containers].find((one) => one.name.startsWith(`${name}-`) && !one.isBusy);
    const container = idle ?? start(name);
    container.isBusy = true;
    const until = time.now() + TIMEOUTS[name];
    const died = new Promise<undefined>((resolve) => {
      container.onDeath(() => resolve(undefined));
    });
    const cancel = time.after(TIMEOUTS[name], () => container.kill());
    const ran = await Promise.race([run(container, () => until - time.now()).catch(threw), died]);
    cancel();
    container.isBusy = false;
    return ran;
  };
}
