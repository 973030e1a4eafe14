import { createRenderer } from "../../lib/pdf/renderer.ts";
import { createClock } from "../../lib/clock.ts";

// A process that has rendered a document and then idles, or is rendering one that never ends.

const clock = createClock();
const renderer = createRenderer({ clock, log: () => {} });
const render = async (html: string) => renderer.render({ input_type: "html", html }, clock.timeout(60_000));
await render("<p>x");
if (process.argv[2] === "busy") render(`<div style="height: 10000000px">`).catch(() => {});
if (process.argv[2] === "exits") process.exit(0);
process.stdout.write("ready\n");
