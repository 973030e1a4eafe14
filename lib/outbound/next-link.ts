// The `Link` header, by RFC 8288.

const TARGET = /[\s,]*<([^>]*)>/y;
/** `; name`, `; name=value` or `; name="value"`. Without quotes, or with single ones, some servers write several relations too. */
const PARAMETER = /\s*;\s*([^\s=;,<>"]*)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^;,"]*)))?/y;

/** The target of the first link with the relation `next`, which may be relative; `undefined` if there is none. */
export function nextLink(header: string | readonly string[] | undefined): string | undefined {
  const text = [header ?? []].flat().join(", ");
  let at = 0;
  const take = (pattern: RegExp) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found) at = pattern.lastIndex;
    return found;
  };
  for (let target = take(TARGET); target; target = take(TARGET)) {
    let relations: string | undefined;
    // A link of another page than the one that was asked for.
    let isAnchored = false;
    for (let parameter = take(PARAMETER); parameter; parameter = take(PARAMETER)) {
      const [, name = "", quoted, plain = ""] = parameter;
      if (name.toLowerCase() === "rel") relations ??= quoted ?? plain.replaceAll("'", "");
      if (name.toLowerCase() === "anchor") isAnchored = true;
    }
    const isNext = relations?.toLowerCase().split(/\s+/).includes("next") ?? false;
    if (isNext && !isAnchored) return target[1];
  }
  return undefined;
}
