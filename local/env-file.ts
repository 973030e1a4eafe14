import { existsSync } from "node:fs";

/** Reads `.env`, if there is one; what the environment says already stands. */
export function readEnvFile(): void {
  if (existsSync(".env")) process.loadEnvFile(".env");
}
