interface Waiting<T, R> {
  readonly item: T;
  readonly resolve: (result: R | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Lets single items travel together. The first one goes at once; those that come until its call is answered go in the
 * next call, up to `most` of them, in their order. `slow` resolves after the longest that an item waits for the calls
 * before it: one that hangs holds up no others. Returns what `call` says of an item, by its place in the call. A call that
 * fails fails all of its items.
 */
export function together<T, R>(
  most: number,
  call: (items: readonly T[]) => Promise<ReadonlyMap<number, R>>,
  slow: () => Promise<void>,
): (item: T) => Promise<R | undefined> {
  const waiting: Waiting<T, R>[] = [];
  let calling = 0;
  let isWatched = false;

  async function callWithAll(): Promise<void> {
    calling += 1;
    while (waiting.length > 0) {
      const taken = waiting.splice(0, most);
      try {
        const results = await call(taken.map(({ item }) => item));
        for (const [at, { resolve }] of taken.entries()) resolve(results.get(at));
      } catch (error) {
        for (const { reject } of taken) reject(error);
      }
    }
    calling -= 1;
  }

  async function watch(): Promise<void> {
    isWatched = true;
    for (let [first] = waiting; first; [first] = waiting) {
      await slow();
      if (waiting[0] === first) void callWithAll();
    }
    isWatched = false;
  }

  return async (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (calling === 0) void callWithAll();
      else if (!isWatched) void watch();
    });
}
