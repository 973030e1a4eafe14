import { headerText } from "./header-text.ts";

// The redirects that an app may have followed: those that keep method and body, to the same host, encrypted.

/** In a row, within one attempt. */
export const MOST_REDIRECTS = 5;

export interface Redirect {
  readonly status: number;
  /** As the answer wrote it. */
  readonly location?: string;
}

/** The URL to which a redirect leads that may be followed. `undefined` for any other answer. */
export function followable({ status, location }: Redirect, from: URL): URL | undefined {
  if (status !== 307 && status !== 308) return undefined;
  const to = locationOf(location, from);
  // The default ports of http and https are both "".
  const isSameHost = to?.hostname === from.hostname && to.port === from.port;
  if (!to || !isSameHost || to.protocol !== "https:" || to.username || to.password) return undefined;
  to.hash = "";
  return to;
}

/** Where an answer of the class 3xx leads, if it says so. */
export function locationOf(location: string | undefined, from: URL): URL | undefined {
  if (location === undefined) return undefined;
  const text = headerText(location);
  return URL.canParse(text, from.href) ? new URL(text, from.href) : undefined;
}
