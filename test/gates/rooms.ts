import { readdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../support/root.ts";

/** The rooms, lowest floor first. A room imports rooms of lower floors alone. */
export const FLOORS = [
  ["clock", "errors", "zod"],
  ["job"],
  ["aws", "log", "metrics"],
  ["outbound", "store"],
  ["queue", "files"],
  ["flow", "pdf", "datasets"],
  ["tasks"],
  ["executors"],
  ["engine"],
  ["config"],
  ["parts"],
  ["api"],
  ["functions"],
] as const;

export type Room = (typeof FLOORS)[number][number];

export const ROOMS: readonly Room[] = FLOORS.flat();
/** Rooms that are one file of `lib/`. */
export const FILES: readonly Room[] = ["clock", "zod", "errors", "aws", "log", "metrics", "config", "parts"];

/** The room in which a file of `lib/` or `functions/` lies. */
export function roomOf(file: string): string {
  const [folder, name = ""] = file.split("/");
  return folder === "lib" ? name.replace(/\.ts$/, "") : (folder ?? "");
}

/** The number of its floor; above all if it lies in no room. */
export function floorOf(file: string): number {
  const floor = FLOORS.findIndex((rooms: readonly string[]) => rooms.includes(roomOf(file)));
  return floor < 0 ? Infinity : floor;
}

/** Every file of the service. */
export function sources(): readonly string[] {
  return ["lib", "functions"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => join(folder, name)),
  );
}
