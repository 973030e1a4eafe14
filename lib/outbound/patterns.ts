// The patterns in an app's settings that allow targets of its jobs.

const URL_PATTERN = /^(https?:\/\/)(\*\.)?([a-z0-9.[\]:-]+(?:\/[^?#\s]*)?)$/i;

/** True for an origin with an optional path: `https://api.example.com/hooks`, `https://*.example.com:8443`. */
export function isUrlPattern(pattern: string): boolean {
  return partsOf(pattern) !== undefined;
}

/** True if the URL has the pattern's origin and lies below its path. `*.` matches any subdomain. */
export function matchesUrl(pattern: string, url: URL): boolean {
  const parts = partsOf(pattern);
  if (!parts) return false;
  const { allowed, anyHostBelow } = parts;
  if (url.protocol !== allowed.protocol || url.port !== allowed.port) return false;
  const isHost = anyHostBelow ? url.hostname.endsWith(`.${allowed.hostname}`) : url.hostname === allowed.hostname;
  const prefix = allowed.pathname.replace(/\/$/, "");
  if (prefix !== "" && isAmbiguousPath(url.pathname)) return false;
  return isHost && (url.pathname === prefix || url.pathname.startsWith(`${prefix}/`));
}

/**
 * True for a path that receivers may read as one outside of its prefix: some decode twice, take a backslash for a slash,
 * drop what follows a semicolon, drop control characters and spaces, know overlong UTF-8 and `%u002e`, or take
 * full-width slashes and dots, the slashes of fractions and divisions, and the signs of yen and won, for plain ones.
 */
export function isAmbiguousPath(path: string): boolean {
  if (/%(?:2f|5c|25|2e|3b)/i.test(path)) return true;
  const decoded = decodedOf(path);
  // Yen and won are the backslash of Japanese and Korean code pages, to which Windows converts by itself.
  if (decoded === undefined || /\p{Cc}|[\u00A5\u20A9\u2044\u2215\u2216\u29F5\u29F8]/u.test(decoded)) return true;
  if (/(?:^|\/)[.\s+\p{Default_Ignorable_Code_Point}]+(?:[/;?#]|$)/u.test(decoded)) return true;
  return Array.from(decoded).some((char) => !/[/\\.;%]/.test(char) && /[/\\.;%]/.test(char.normalize("NFKC")));
}

/** `undefined` for what is not UTF-8. */
function decodedOf(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

function partsOf(pattern: string): { allowed: URL; anyHostBelow: boolean } | undefined {
  const [, scheme = "", wildcard, rest = ""] = URL_PATTERN.exec(pattern) ?? [];
  if (scheme === "" || !URL.canParse(scheme + rest)) return undefined;
  return { allowed: new URL(scheme + rest), anyHostBelow: wildcard !== undefined };
}

/** `*` matches any characters. Linear in the lengths of both. */
export function matchesName(pattern: string, name: string): boolean {
  const [first = "", ...middle] = pattern.split("*");
  const last = middle.pop();
  if (last === undefined) return pattern === name;
  const end = name.length - last.length;
  if (!name.startsWith(first) || !name.endsWith(last) || end < first.length) return false;
  let at = first.length;
  for (const part of middle) {
    const found = name.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
