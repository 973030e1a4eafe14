const TIMES = 4;
/** Between four, which is linear, and sixteen, which is quadratic. */
const MOST = 9;
const ROUNDS = 10;
/** Shorter times tell nothing of a call. */
const LEAST_MS = 1;

/**
 * Fails if a call takes far more than four times as much of a processor for four times the size. Only this thread's time
 * counts, and only in comparison, so that a slow or busy machine changes nothing.
 */
export async function expectLinear(call: (size: number) => unknown, size: number): Promise<void> {
  const usedMs = async (of: number) => {
    const began = process.threadCpuUsage();
    await call(of);
    // Their sum is exact; how it is divided between them is estimated anew at each look.
    const { user, system } = process.threadCpuUsage(began);
    return (user + system) / 1_000;
  };
  // The first call is compiled meanwhile.
  await call(size);
  let [small, large] = [Infinity, Infinity];
  for (let round = 0; round < ROUNDS; round += 1) {
    small = Math.min(small, Math.max(await usedMs(size), LEAST_MS));
    large = Math.min(large, await usedMs(TIMES * size));
    if (large < MOST * small) return;
  }
  const ratio = (large / small).toFixed(1);
  throw new Error(`${TIMES} times the size takes ${ratio} times as long: expected about ${TIMES} times, as if linear`);
}
