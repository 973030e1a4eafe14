/** For what some functions never use, so that they need not load it. It is made, or loaded, once. */
export function atFirstUse<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return async () => (made ??= make());
}

type Promising<T> = { readonly [Name in keyof T]: (...given: never[]) => Promise<unknown> };

/** An object that is made with the first call of one of its functions, all of which return promises. */
export function lateObject<T extends Promising<T>>(make: () => Promise<T>): T {
  const made = atFirstUse<object>(make);
  const late = (_: unknown, name: string | symbol) => {
    // Whoever awaits the object is to get it.
    if (name === "then") return undefined;
    return async (...given: unknown[]) => {
      const object = await made();
      return Reflect.apply(Reflect.get(object, name) as () => Promise<unknown>, object, given);
    };
  };
  return new Proxy({}, { get: late }) as T;
}
