import { afterAll } from "vitest";
import { record } from "./aws/recorder.ts";

record();

// The files of a worker share its process: each leaves the environment as it found it.

const before = { ...process.env };

afterAll(() => {
  for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  Object.assign(process.env, before);
});
