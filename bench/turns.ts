// Entrants are measured in turns: what else the machine does, and its slow minutes, meet all of them.

/** Jobs of one entrant after which the next has its turn. What stands still for 4 s loses its idle connections. */
const PIECE = 250;

/** One after another. Results are in the order of the entrants. */
export async function inTurns<T, R>(all: readonly T[], measureOne: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const one of all) results.push(await measureOne(one));
  return results;
}

/** So many jobs of each, a piece at a time, and every other time in the opposite order. */
export async function inPieces<T>(
  all: readonly T[],
  jobs: number,
  work: (one: T, count: number) => Promise<void>,
): Promise<void> {
  for (let done = 0, turn = 0; done < jobs; done += PIECE, turn += 1) {
    const order = turn % 2 === 0 ? all : all.toReversed();
    await inTurns(order, async (one) => work(one, Math.min(PIECE, jobs - done)));
  }
}
