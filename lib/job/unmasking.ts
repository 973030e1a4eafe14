import type { ErrorDetail } from "../errors.ts";
import { MASK, masked, maskedAddress, maskedJson } from "./masking.ts";
import type { Callback } from "./message.ts";
import type { Values } from "./multi-values.ts";

// The way back from a view: a mask that is sent back stands for the stored credential that it hides. A credential goes
// back to the place that it was stored for and to no other, so that nobody reads it by having it sent to themselves.

/** A value without masks, and what is wrong with those that stand for nothing. */
interface Unmasked<T> {
  readonly value: T;
  readonly problems: readonly ErrorDetail[];
}

/** Where a value stands in the request, and whether it goes where the stored one went. */
interface Place {
  readonly field: string;
  readonly isSame: boolean;
}

type Named = Readonly<Record<string, string>>;

const NOTHING_STORED = `holds ${MASK}, which stands for a credential that is not shown, and none is stored here: give the credential`;
export const OTHER_PLACE = `holds ${MASK}, which stands for a credential that was stored for another place: give it again, or leave it out (null)`;

function holdsMask(text: string): boolean {
  return text === MASK || text.includes(`=${MASK}`) || text.includes(`//${MASK}@`);
}

/** Whether a URL may get the credentials of another one: it names the same host, and encrypts if that one does. */
export function isSamePlace(to: string, stored: string): boolean {
  if (!URL.canParse(to) || !URL.canParse(stored)) return false;
  const [next, before] = [new URL(to), new URL(stored)];
  return next.hostname === before.hostname && (next.protocol === "https:" || before.protocol !== "https:");
}

/** Headers, by their names in any case. */
export function unmaskedHeaders(sent: Named, stored: Named, place: Place): Unmasked<Named>;
export function unmaskedHeaders(sent: Values, stored: Values, place: Place): Unmasked<Values>;
export function unmaskedHeaders(sent: Values, stored: Values, { field, isSame }: Place): Unmasked<Values> {
  const known = new Map(Object.entries(stored).map(([name, value]) => [name.toLowerCase(), value]));
  const problems: ErrorDetail[] = [];
  const entries = Object.entries(sent).map(([name, value]): [string, Values[string]] => {
    if (![value].flat().some(holdsMask)) return [name, value];
    const hidden = known.get(name.toLowerCase());
    const isShown = hidden !== undefined && isShownAs(value, masked({ [name]: hidden })[name]);
    if (isShown && isSame) return [name, hidden];
    problems.push({ field: `${field}.${name}`, message: isShown ? OTHER_PLACE : NOTHING_STORED });
    return [name, value];
  });
  return { value: Object.fromEntries(entries), problems };
}

/** A single mask stands for a list of credentials too. */
function isShownAs(value: Values[string], shown: Values[string] = ""): boolean {
  return value === MASK ? [shown].flat().join(", ") === MASK : String(value) === String(shown);
}

const PARAMETER = /([?&#])([^=&#?]*)=([^&#]*)/g;

/** A path or URL; its masked parameters are found by their names. */
export function unmaskedAddress(sent: string, stored: string, { field, isSame }: Place): Unmasked<string> {
  if (!holdsMask(sent)) return { value: sent, problems: [] };
  const value = sent === maskedAddress(stored) ? stored : withParameters(sent, stored);
  if (value === undefined) return { value: sent, problems: [{ field, message: NOTHING_STORED }] };
  return isSame ? { value, problems: [] } : { value: sent, problems: [{ field, message: OTHER_PLACE }] };
}

function withParameters(sent: string, stored: string): string | undefined {
  const left = [...stored.matchAll(PARAMETER)].map(([, , name = "", value = ""]) => {
    return { name, value, shown: maskedAddress(`?${name}=${value}`).slice(name.length + 2) };
  });
  const whole = sent.replace(PARAMETER, (text: string, mark: string, name: string, value: string) => {
    if (!value.includes(MASK)) return text;
    const at = left.findIndex((each) => each.name === name && each.shown === value);
    const [found] = at === -1 ? [] : left.splice(at, 1);
    return found ? `${mark}${name}=${found.value}` : text;
  });
  return holdsMask(whole) ? undefined : whole;
}

/** A callback; what is stored is null where there is none. */
export function unmaskedCallback(sent: Callback, stored: Callback | null, field: string): Unmasked<Callback> {
  const { url, headers } = stored ?? { url: "", headers: {} };
  const isSame = isSamePlace(sent.url, url);
  const address = unmaskedAddress(sent.url, url, { field: `${field}.url`, isSame });
  const named = unmaskedHeaders(sent.headers, headers, { field: `${field}.headers`, isSame });
  return {
    value: { ...sent, url: address.value, headers: named.value },
    problems: [...address.problems, ...named.problems],
  };
}

/**
 * JSON, such as the payload of a task: what stands at the same place, under the same names. `isSame`: it is for the same
 * task. A payload that names another host or mailbox, or fills in another template, goes elsewhere.
 */
export function unmaskedJson(sent: unknown, stored: unknown, { field, isSame: isSameTask }: Place): Unmasked<unknown> {
  const known = placesIn(stored);
  const isSame = isSameTask && [...placesIn(sent)].every((place) => known.has(place));
  const problems: ErrorDetail[] = [];
  const walk = (value: unknown, [hidden, shown, again]: readonly unknown[], at: string): unknown => {
    if (typeof value === "string") {
      if (!holdsMask(value)) return value;
      // Under a name that is no credential's, the value would be shown.
      const isShown = value === shown && value !== hidden && (value !== MASK || again === MASK);
      if (isShown && isSame) return hidden;
      problems.push({ field: at, message: isShown ? OTHER_PLACE : NOTHING_STORED });
      return value;
    }
    if (typeof value !== "object" || value === null) return value;
    const inner = (each: unknown, name: string | number) =>
      walk(each, [within(hidden, name), within(shown, name), within(again, name)], `${at}.${name}`);
    if (Array.isArray(value)) return value.map(inner);
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, inner(each, name)]));
  };
  return { value: walk(sent, [stored, maskedJson(stored), maskedJson(unlike(sent))], field), problems };
}

function within(value: unknown, name: string | number): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string | number, unknown>)[name];
}

/** The value with another text for each mask, so that masking it tells which names hide what they hold. */
function unlike(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value === MASK ? "" : value;
  if (Array.isArray(value)) return value.map(unlike);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, unlike(each)]));
}

const ORIGIN = /[a-z][a-z0-9+.-]*:\/\/[^\s"'<>/?#\\]+/g;
const MAILBOX = /[^\s"'<>(),;:]+@[^\s"'<>(),;:]+/g;

/** Where the texts of a value may have it sent: hosts, mailboxes, and the templates into which parts of it are filled. */
function placesIn(value: unknown, places = new Set<string>()): Set<string> {
  if (typeof value === "string") {
    const text = value.toLowerCase();
    for (const [place] of [...text.matchAll(ORIGIN), ...text.matchAll(MAILBOX)]) places.add(place);
    // `https:host` and `https:\\host` are URLs too.
    if (URL.canParse(value)) places.add(new URL(value).origin);
    if (value.includes("{{")) places.add(value);
  } else if (typeof value === "object" && value !== null) {
    for (const each of Object.values(value)) placesIn(each, places);
  }
  return places;
}
