import { createClock, iso } from "../lib/clock.ts";
import { renderConfig } from "../lib/config.ts";
import { createLog } from "../lib/log.ts";
import { answerCall } from "../lib/pdf/answer-call.ts";
import { createRenderer } from "../lib/pdf/renderer.ts";

let parts: Parameters<typeof answerCall>[1] | undefined;

export const handler = async (call: unknown) => answerCall(call, (parts ??= partsOf(process.env)));

function partsOf(env: NodeJS.ProcessEnv) {
  const { memoryMb, clock: anchor } = renderConfig(env);
  const clock = createClock(anchor);
  return { clock, renderer: createRenderer({ clock, log: createLog(() => iso(clock.now())), memoryMb }) };
}
