import type { Counts, Destination, LimitedDestination } from "../index.ts";
import { UsageError, byAction, print, show, showPages, type Args, type Command } from "./command.ts";
import { defined } from "./send.ts";

// What jobs wait for: their numbers, and the destinations that deviate.

export const counts: Command = {
  name: "counts",
  about: "Counts jobs as they are now, and what they wait for.",
  usage: [""],
  options: {},
  run: async (args) => show(args, await args.jobs().counts(), countsText),
};

function countsText({ byStatus, waiting, destinations }: Counts): string {
  const some = (of: object) =>
    Object.entries(of)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${name} ${count}`)
      .join("  ");
  const at = destinations.map((each) => `  ${each.destination}  ${each.reason} ${each.waiting}`);
  return [some(byStatus) || "no jobs", `waiting: ${some(waiting) || "none"}`, ...at].join("\n");
}

export const destinations: Command = {
  name: "destinations",
  about: "Lists the destinations that fail, are held or have limits; holds, resumes and limits them.",
  usage: [
    "[list]",
    "hold|resume https://shop.example",
    "limit https://shop.example --rate 5 --at-once 2",
    "unlimit NAME",
  ],
  options: {
    rate: { type: "string", value: "N", about: "requests a second; left out: no limit" },
    "at-once": { type: "string", value: "N", about: "requests at once; left out: no limit" },
    all: { type: "boolean", about: "all that fail, and not the first 50 alone" },
  },
  run: byAction(
    {
      list: async (args) => {
        const jobs = args.jobs();
        const listed = new Set<string>();
        await showPages(args, jobs.destinations.list(), (one) => {
          listed.add(one.destination);
          return destinationLine(one);
        });
        const others = (await jobs.destinations.limits()).filter((one) => !listed.has(one.destination));
        for (const one of others) show(args, one, limitLine);
      },
      hold: async (args, name) => show(args, await args.jobs().destinations.hold(name), destinationLine),
      resume: async (args, name) => show(args, await args.jobs().destinations.resume(name), destinationLine),
      limit: async (args, name) => {
        const limits = defined({
          rateLimitPerSecond: args.number("rate"),
          maxConcurrency: args.number("at-once"),
        });
        if (Object.keys(limits).length === 0) throw new UsageError("limit wants --rate or --at-once, got neither");
        showLimits(args, await args.jobs().destinations.limit(name, limits));
      },
      unlimit: async (args, name) => showLimits(args, await args.jobs().destinations.unlimit(name)),
    },
    ["list"],
  ),
};

function showLimits(args: Args, all: readonly LimitedDestination[]): void {
  if (all.length === 0 && !args.isJson) print("no destination has a limit");
  for (const one of all) show(args, one, limitLine);
}

function limitLine({ destination, rateLimitPerSecond: rate, maxConcurrency: most }: LimitedDestination): string {
  const limits = [rate === null ? "" : `${rate} a second`, most === null ? "" : `${most} at once`];
  return [destination, ...limits].filter(Boolean).join("  ");
}

function destinationLine(one: Destination): string {
  const { state, since, lastError, nextProbeAt } = one;
  const shut = state === "closed" ? "" : `since ${since}`;
  const probe = nextProbeAt === null ? "" : `next probe at the earliest ${nextProbeAt}`;
  return [limitLine(one), state, shut, probe, lastError ?? ""].filter(Boolean).join("  ");
}
