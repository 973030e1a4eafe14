/** For what some functions never use, so that they need not load it. It is made, or loaded, once. */
export function atFirstUse<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return async () => (made ??= make());
}
