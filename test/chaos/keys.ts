import type { Client } from "./clients.ts";
import { settled } from "./count.ts";
import type { ChaosTarget } from "./target.ts";
import { plainWebhook, postWebhook, type Accepted } from "./work.ts";

// Rounds of creates with one key at the same time: one creates the job, the others are answered with it.

export interface KeysReport {
  readonly rounds: number;
  /** Rounds in which a client had to ask again, so that it may have been given the job that it made itself. */
  readonly uncertain: number;
  /** The rounds and jobs with a problem. */
  readonly wrong: readonly string[];
}

export const AT_THE_SAME_TIME = 50;

export async function race(
  rounds: number,
  client: Client,
  target: ChaosTarget,
  withinMs: number,
  onRound: (done: number) => void,
): Promise<KeysReport> {
  const wrong: string[] = [];
  const accepted: Accepted[] = [];
  let uncertain = 0;
  for (let round = 1; round <= rounds; round += 1) {
    const before = client.repeated();
    const body = plainWebhook(target.url, `race-${round}`);
    const answers = await Promise.all(Array.from({ length: AT_THE_SAME_TIME }, async () => postWebhook(client, body)));
    const isUncertain = client.repeated() > before;
    const created = answers.filter(({ replayed }) => !replayed).length;
    const ids = new Set(answers.map(({ id }) => id));
    if (isUncertain) uncertain += 1;
    if (ids.size !== 1 || created > 1 || (created === 0 && !isUncertain)) {
      wrong.push(`round ${round}: ${created} of ${AT_THE_SAME_TIME} created it, ${ids.size} ids`);
    }
    accepted.push(...new Map(answers.map((answer) => [answer.id, answer])).values());
    onRound(round);
  }
  await settled(accepted, withinMs, () => {});
  for (const { id } of accepted) {
    const times = target.received.get(id)?.length ?? 0;
    if (times !== 1) wrong.push(`${id} was delivered ${times} times`);
  }
  return { rounds, uncertain, wrong };
}
