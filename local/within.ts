/**
 * What `work` resolves to, or what `late` returns or throws when that takes longer than `ms`. Nothing is kept of work
 * that ends in time: a timer that goes on holds its answer for as long.
 */
export async function within<T, L>(ms: number, work: Promise<T>, late: () => L): Promise<T | L> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms).unref();
  });
  try {
    return await Promise.race([work, tooLate.then(late)]);
  } finally {
    clearTimeout(timer);
  }
}
