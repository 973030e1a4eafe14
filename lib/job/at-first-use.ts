/**
 * For what some functions never use, so that they need not load it. It is made, or loaded, once, with what the first use
 * gives; a failure is not kept.
 */
export function atFirstUse<T, Given extends unknown[] = []>(
  make: (...given: Given) => Promise<T>,
): (...given: Given) => Promise<T> {
  let made: Promise<T> | undefined;
  return async (...given) => {
    made ??= make(...given).catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}

type Promising<T> = { readonly [Name in keyof T]: (...given: never[]) => Promise<unknown> };

/** An object that is made with the first call of one of its functions, all of which return promises. */
export function lateObject<T extends Promising<T>>(make: () => Promise<T>): T {
  const made = atFirstUse<object>(make);
  const late = (_: unknown, name: string | symbol) => {
    if (isAskedOfAll(name)) return undefined;
    return async (...given: unknown[]) => {
      const object = await made();
      return Reflect.apply(Reflect.get(object, name) as () => Promise<unknown>, object, given);
    };
  };
  return new Proxy({}, { get: late }) as T;
}

/** Names that JavaScript itself asks of any object, as when it is awaited or turned into text. */
function isAskedOfAll(name: string | symbol): boolean {
  return typeof name === "symbol" || name === "then" || name === "toJSON" || name in Object.prototype;
}
