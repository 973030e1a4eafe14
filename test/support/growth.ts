const TIMES = 4;
/** Between four, which is linear, and sixteen, which is quadratic. */
const MOST = 9;
const ROUNDS = 10;
/** A single round may measure a small call while it is compiled or its garbage is collected: too slow to compare with. */
const LEAST_ROUNDS = 3;
/** Shorter times tell nothing of a call. */
const LEAST_MS = 1;

const nap = new Int32Array(new SharedArrayBuffer(4));

/**
 * The processor time of this thread so far, in ms. A kernel may count a running thread by ticks of 4 ms, but counts
 * exactly what it used when it stops to run: hence the pause.
 */
function threadMs(): number {
  Atomics.wait(nap, 0, 0, 1);
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/**
 * Fails if a call takes far more than four times as much of a processor for four times the size. Only this thread's time
 * counts, and only in comparison, so that a slow or busy machine changes nothing.
 */
export async function expectLinear(call: (size: number) => unknown, size: number): Promise<void> {
  const usedMs = async (of: number) => {
    const began = threadMs();
    await call(of);
    return threadMs() - began;
  };
  // The first call is compiled meanwhile.
  await call(size);
  let [small, large] = [Infinity, Infinity];
  for (let round = 1; round <= ROUNDS; round += 1) {
    small = Math.min(small, Math.max(await usedMs(size), LEAST_MS));
    large = Math.min(large, await usedMs(TIMES * size));
    if (round >= LEAST_ROUNDS && large < MOST * small) return;
  }
  const ratio = (large / small).toFixed(1);
  throw new Error(`${TIMES} times the size takes ${ratio} times as long: expected about ${TIMES} times, as if linear`);
}
