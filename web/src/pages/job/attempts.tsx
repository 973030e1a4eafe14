import { useEffect } from "preact/hooks";
import type { Attempt, JobDetail } from "../../api/shapes.ts";
import { pageKeys } from "../../keys.ts";
import { Ago } from "../../parts/time.tsx";
import { durationText } from "../../time.ts";
import { AttemptOf, type OnShow } from "./attempt.tsx";

interface AttemptsProps {
  readonly job: JobDetail;
  readonly attempts: readonly Attempt[];
  /** The number of the selected one. */
  readonly at: number;
  readonly tab: string;
  readonly onShow: OnShow;
}

/** The attempts of a job, and one of them beside the list. */
export function Attempts({ job, attempts, at, tab, onShow }: AttemptsProps) {
  const attempt = attempts.find(({ number }) => number === at) ?? attempts.at(-1);
  useEffect(
    () =>
      pageKeys({
        "[": () => onShow({ attempt: Math.max(1, at - 1) }),
        "]": () => onShow({ attempt: Math.min(attempts.length, at + 1) }),
      }),
    [at, attempts.length, tab],
  );
  return (
    <div class="split">
      <section class="panel limited" aria-label="Attempts">
        <table class="table">
          <caption class="hidden-text">Attempts, the last one first</caption>
          <thead>
            <tr>
              <th class="fit" aria-sort="descending">
                #
              </th>
              <th>Outcome</th>
              <th class="fit right">Took</th>
              <th class="fit right">Started</th>
            </tr>
          </thead>
          <tbody>
            {attempts.toReversed().map((each) => (
              <Row key={each.number} attempt={each} isShown={each.number === attempt?.number} onShow={onShow} />
            ))}
          </tbody>
        </table>
      </section>
      {attempt && <AttemptOf job={job} attempt={attempt} tab={tab} onShow={onShow} />}
    </div>
  );
}

interface RowProps {
  readonly attempt: Attempt;
  readonly isShown: boolean;
  readonly onShow: OnShow;
}

function Row({ attempt: { number, outcome, httpStatus, durationMs, startedAt }, isShown, onShow }: RowProps) {
  const tone = outcome === "succeeded" ? "succeeded" : outcome === "running" ? "running" : "failed";
  return (
    <tr aria-selected={isShown} onClick={() => onShow({ attempt: number })}>
      <td class="fit">
        <button type="button" class="button plain small" aria-label={`Show attempt ${number}`}>
          {number}
        </button>
      </td>
      <td class="cut">
        <span class="dot" data-tone={tone} /> {httpStatus ?? outcome}
      </td>
      <td class="fit right">{durationMs === null ? "–" : durationText(durationMs)}</td>
      <td class="fit right">
        <Ago at={startedAt} suffix={false} />
      </td>
    </tr>
  );
}
