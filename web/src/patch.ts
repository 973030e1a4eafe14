type Fields = Readonly<Record<string, unknown>>;

/** The merge patch (RFC 7396) that makes the one the other: what is the same is left out. */
export function patchOf(before: unknown, after: unknown): Fields {
  if (!isObject(after)) throw new SyntaxError("expected an object");
  const from = isObject(before) ? before : {};
  const names = new Set([...Object.keys(from), ...Object.keys(after)]);
  const changes = [...names].flatMap((name): [string, unknown][] => {
    const [was, is] = [from[name], after[name]];
    if (JSON.stringify(was) === JSON.stringify(is)) return [];
    return [[name, is === undefined ? null : isObject(was) && isObject(is) ? patchOf(was, is) : is]];
  });
  return Object.fromEntries(changes);
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
