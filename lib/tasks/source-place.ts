import { createHash } from "node:crypto";
import { BadPage, type Page } from "./source-page.ts";
import { paginationOf, type Sync } from "./sync-payload.ts";

// Where a sync is in its source: which page it asks for next, and when there is none.

export interface Place {
  /** The count of pages that were read. */
  readonly pages: number;
  /** What names the next page: a cursor, or its URL. */
  readonly cursor?: string;
  /** The digest of an earlier page or its name, by which a circle is found. */
  readonly mark?: string;
}

/** In bytes as JSON; bounds the checkpoint. */
const LONGEST_CURSOR = 3_000;

export function urlOf(asked: Sync, { pages, cursor }: Place): URL {
  const pagination = paginationOf(asked);
  const url = new URL(asked.url);
  switch (pagination.by) {
    case "cursor":
      return cursor === undefined ? url : withParameter(url, pagination.parameter, cursor);
    case "page":
      return withParameter(url, pagination.parameter, String(pagination.first + pages));
    case "link":
    case "url":
      return new URL(cursor ?? asked.url);
    case "none":
      return url;
    default:
      return pagination satisfies never;
  }
}

/** The rest of the query stays as it was written: `URLSearchParams` would write `%20` as `+`, which not every server reads as a space. */
function withParameter(url: URL, name: string, value: string): URL {
  const others = url.search
    .slice(1)
    .split("&")
    .filter((part) => part !== "" && !new URLSearchParams(part).has(name));
  url.search = [...others, `${encodeURIComponent(name)}=${encodeURIComponent(value)}`].join("&");
  return url;
}

export type Step = { readonly kind: "next"; readonly place: Place } | { readonly kind: "end" | "repeated" };

/** What comes after a page. `repeated`: it is the page before once more, which some sources answer beyond their end. */
export function stepAfter(asked: Sync, place: Place, { rows, next }: Page, url: URL): Step {
  const pagination = paginationOf(asked);
  const pages = place.pages + 1;
  if (pagination.by === "none") return { kind: "end" };
  const count = Array.isArray(rows) ? rows.length : 0;
  if (pagination.by === "page") {
    if (count === 0) return { kind: "end" };
    const mark = digest(JSON.stringify(rows));
    if (mark !== place.mark) return { kind: "next", place: { pages, mark } };
    if (place.pages > 1) return { kind: "repeated" };
    const { parameter } = pagination;
    throw new BadPage(
      `repeats page 1: the source seems not to know the parameter ${parameter}; set pagination.parameter to its name, or pagination.by to none`,
    );
  }
  if (next === undefined) return { kind: "end" };
  const cursor = pagination.by === "cursor" ? next : nextUrl(next, url, new URL(asked.url)).href;
  const current = pagination.by === "cursor" ? place.cursor : url.href;
  if (cursor === current) {
    // Some sources name a next page for ever, and it is empty.
    if (count === 0) return { kind: "end" };
    throw new BadPage("names itself as the next: the source would never end");
  }
  if (Buffer.byteLength(JSON.stringify(cursor)) > LONGEST_CURSOR)
    throw new BadPage(`names a next page in more than ${LONGEST_CURSOR} bytes`);
  return { kind: "next", place: { pages, cursor, mark: markOf(cursor, pages, place.mark) } };
}

/** Brent's way to find a circle: of all names, the one at the last power of two is compared with each that follows. */
function markOf(cursor: string, pages: number, before: string | undefined): string {
  const mark = digest(cursor);
  if (mark === before) throw new BadPage("leads back to a page that was read before: the source would never end");
  const isPowerOfTwo = (pages & (pages - 1)) === 0;
  return isPowerOfTwo || before === undefined ? mark : before;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 16);
}

/** The URL that a page names as the next, perhaps relative to its own. Headers of the source go there, so that it must be of its origin. */
function nextUrl(named: string, current: URL, source: URL): URL {
  if (!URL.canParse(named, current.href)) throw new BadPage("names a next page by what is no URL");
  const url = new URL(named, current);
  url.hash = "";
  // Behind a proxy that ends TLS, many sources name themselves by http.
  if (source.protocol === "https:" && url.protocol === "http:" && url.port === "" && source.port === "")
    url.protocol = "https:";
  if (url.username !== "" || url.password !== "")
    throw new BadPage("names a next page by a URL with a user name or password, which is refused");
  // The origin of blob:https://… is that of the URL within.
  if (url.origin !== source.origin || url.protocol !== source.protocol)
    throw new BadPage(
      `names a next page at ${url.origin === source.origin ? url.href.slice(0, 100) : url.origin}: expected one at ${source.origin}, for the source's headers go there too`,
    );
  return url;
}
