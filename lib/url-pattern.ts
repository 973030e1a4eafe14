/** An origin with an optional path prefix: `https://api.example.com/hooks`, `https://*.example.com:8443`. */
export const URL_PATTERN = /^https?:\/\/(\*\.)?[a-z0-9.[\]:-]+(:\d{1,5})?(\/[^?#\s]*)?$/i;

/** Whether a URL has the pattern's origin and lies below its path. `*.` stands for any host below. */
export function matchesUrl(pattern: string, url: URL): boolean {
  const [, scheme = "", wildcard, rest = ""] = /^(https?:\/\/)(\*\.)?(.*)$/i.exec(pattern) ?? [];
  if (!URL.canParse(scheme + rest)) return false;
  const allowed = new URL(scheme + rest);
  if (url.protocol !== allowed.protocol || url.port !== allowed.port) return false;
  const isHost = wildcard ? url.hostname.endsWith(`.${allowed.hostname}`) : url.hostname === allowed.hostname;
  const prefix = allowed.pathname.replace(/\/$/, "");
  return isHost && (url.pathname === prefix || url.pathname.startsWith(`${prefix}/`));
}
