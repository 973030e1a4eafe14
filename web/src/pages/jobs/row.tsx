import { Component } from "preact";
import type { Job } from "../../api/shapes.ts";
import { StatusBadge } from "../../parts/status.tsx";
import { Ago, Countdown } from "../../parts/time.tsx";
import { pathOf } from "../../root.ts";
import { stateOf, whatOf } from "../../what.ts";

interface RowProps {
  readonly job: Job;
  readonly isSelected: boolean;
  /** It and `onFocus` do the same for as long as the list is there. */
  readonly onToggle: (id: string, isRange: boolean) => void;
  readonly onFocus: (id: string) => void;
}

/** Drawn anew only when its job has changed, or whether it is selected: there may be 200. */
export class Row extends Component<RowProps> {
  override shouldComponentUpdate({ job, isSelected }: RowProps) {
    return job !== this.props.job || isSelected !== this.props.isSelected;
  }

  override render(props: RowProps) {
    return <Cells {...props} />;
  }
}

function Cells({ job, isSelected, onToggle, onFocus }: RowProps) {
  const { id, status, attemptsStarted, maxRetries, waiting, createdAt, executionType } = job;
  const state = stateOf(job);
  const makesAttempts = executionType !== "schedule" && executionType !== "group";
  return (
    <tr aria-selected={isSelected} onFocusIn={() => onFocus(id)}>
      <td class="fit">
        <label class="hit">
          <input
            type="checkbox"
            aria-label={`Select ${whatOf(job)}`}
            checked={isSelected}
            onClick={(event) => onToggle(id, event.shiftKey)}
          />
        </label>
      </td>
      <td class="fit">
        <span class="tinted" key={status}>
          <StatusBadge status={status} />
        </span>
      </td>
      <td class="cut wide-on-phone" title={whatOf(job)}>
        <a href={pathOf(`/jobs/${id}`)}>{whatOf(job)}</a>{" "}
        {job.idempotencyKey !== null && makesAttempts && <span class="muted small">{job.idempotencyKey}</span>}
      </td>
      <td class="fit right not-on-phone">{makesAttempts && `${attemptsStarted}/${maxRetries + 1}`}</td>
      <td class="cut wide-on-phone" title={waiting?.detail ?? state}>
        {status === "RETRYING" && job.nextRetryAt !== null && waiting?.reason === "backoff" ? (
          <>
            try {attemptsStarted + 1} <Countdown to={job.nextRetryAt} />
          </>
        ) : (
          state
        )}
      </td>
      <td class="fit right">
        <Ago at={createdAt} suffix={false} />
      </td>
    </tr>
  );
}
