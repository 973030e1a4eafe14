import * as z from "../../zod.ts";
import { ClientError, badRequest } from "../../errors.ts";
import { literalAddress } from "../../outbound/literal-address.ts";
import { isPublicAddress } from "../../outbound/public-address.ts";
import type { AppSettings, DestinationLimits } from "../../store/app-settings.ts";
import { parse } from "../http/body.ts";
import { appRoute, ok, type Asked } from "./app-route.ts";
import { changeSettings } from "./change-settings.ts";
import { destinationName } from "./destinations.ts";
import { MOST_ENTRIES, appShown, destinationBody, version } from "./settings-body.ts";

// The limits of one destination among the settings of an app: two people who set two of them are in nobody's way.

const versionQuery = z.strictObject({ version: z.optional(z.pipe(z.coerce.number(), version)) });

const about = {
  put: {
    id: "putDestination",
    summary: "Sets the limits of one destination, in an app's settings",
    answers: { 200: appShown },
    refusals: ["CONFLICT"],
    body: destinationBody,
    examples: () => ({ "five at a time": { rateLimitPerSecond: 20, maxConcurrency: 5 } }),
  },
  delete: {
    id: "deleteDestination",
    summary: "Takes the limits of one destination out of an app's settings",
    answers: { 200: appShown },
    refusals: ["CONFLICT"],
    query: versionQuery,
  },
} as const;

const BELOW = "/destinations/{name}";

export const putDestination = appRoute("PUT", BELOW, about.put, async (asked, service) => {
  const { version: read, destination: named, ...limits } = asked.body;
  const destination = nameIn(asked);
  if (named !== undefined && destinationIn(named) !== destination) {
    throw badRequest([{ field: "destination", message: `differs from ${destination} in the path; leave it out` }]);
  }
  const to = { destination, ...limits };
  return ok(await change(asked, { destination, version: read, to }, service));
});

export const deleteDestination = appRoute("DELETE", BELOW, about.delete, async (asked, service) => {
  const destination = nameIn(asked);
  return ok(await change(asked, { destination, version: asked.query.version, to: undefined }, service));
});

interface Wanted {
  readonly destination: string;
  readonly version: number | undefined;
  /** Undefined: none. */
  readonly to: DestinationLimits | undefined;
}

async function change(
  { appId, caller: { sub } }: Pick<Asked<unknown>, "appId" | "caller">,
  { destination, version: read, to }: Wanted,
  service: Parameters<typeof changeSettings>[1],
): Promise<object> {
  const limitsIn = ({ destinations }: AppSettings) => destinations.find((each) => each.destination === destination);
  return changeSettings(
    {
      appId,
      sub,
      version: read,
      wanted: (before) => {
        if (!to && !limitsIn(before)) throw new ClientError("NOT_FOUND", `No limits are set for ${destination}`);
        return { ...before, destinations: replaced(before.destinations, destination, to) };
      },
      entry: (before, after) => ({
        action: to ? "destination.changed" : "destination.deleted",
        object: `destination:${destination}`,
        changes: changesOf(limitsIn(before), limitsIn(after)),
      }),
    },
    service,
  );
}

/** In its place, or as the last one. */
function replaced(
  all: readonly DestinationLimits[],
  destination: string,
  to: DestinationLimits | undefined,
): DestinationLimits[] {
  const isNew = to && !all.some((each) => each.destination === destination);
  if (isNew && all.length >= MOST_ENTRIES) {
    const message = `${MOST_ENTRIES} destinations have limits already, which is the most; delete one first`;
    throw badRequest([{ field: "name", message }]);
  }
  const others = all.flatMap((each) => (each.destination === destination ? (to ?? []) : each));
  return isNew ? [...others, to] : others;
}

function changesOf(from: DestinationLimits | undefined, to: DestinationLimits | undefined) {
  return (["rateLimitPerSecond", "maxConcurrency"] as const).flatMap((field) => {
    const [before, after] = [from?.[field] ?? null, to?.[field] ?? null];
    return before === after ? [] : [{ field, from: before, to: after }];
  });
}

function nameIn({ path }: Pick<Asked<unknown>, "path">): string {
  return destinationIn(path["name"] ?? "");
}

/** A function's name, an origin, or a host alone, which stands for its https origin. */
function destinationIn(given: string): string {
  // No name has a percent sign: one that is there was not decoded on the way.
  const name = given.includes("%3A") || given.includes("%3a") ? decodeURIComponent(given) : given;
  const isHost = !name.includes("://") && /[.:]/.test(name);
  if (isHost && mayBeHttp(name)) {
    const message = `expected http://${name} or https://${name}: a host alone stands for https, and a private one may speak either`;
    throw badRequest([{ field: "name", message }]);
  }
  return parse(destinationName, isHost ? `https://${name}` : name, "name");
}

/** A private address, or a name without a dot, that may speak http as well: its port is none that https is known by. */
function mayBeHttp(host: string): boolean {
  if (!URL.canParse(`https://${host}`)) return false;
  const { hostname, port } = new URL(`https://${host}`);
  if (port.endsWith("443")) return false;
  const address = literalAddress(hostname);
  return address === undefined ? !hostname.includes(".") : !isPublicAddress(address);
}
