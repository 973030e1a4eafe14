import type { JobDetail } from "../../api/shapes.ts";
import { Safe } from "../../parts/text.tsx";
import { Ago, Countdown } from "../../parts/time.tsx";

/** Why a job is as it is: the first thing that is said of it. */
export function Why({ job }: { readonly job: JobDetail }) {
  return (
    <p class="why">
      <Sentence job={job} />
    </p>
  );
}

function Sentence({ job }: { readonly job: JobDetail }) {
  const { status, updatedAt, stopRequestedAt } = job;
  if (stopRequestedAt !== undefined && status === "RUNNING")
    return (
      <>
        It is to stop: the running attempt is let finish. Asked <Ago at={stopRequestedAt} />.
      </>
    );
  switch (status) {
    case "PENDING":
    case "RETRYING":
      return <Waits job={job} />;
    case "RUNNING":
      return <>An attempt is running.</>;
    case "SUCCEEDED":
      return (
        <>
          It succeeded <Ago at={updatedAt} />.
        </>
      );
    case "CANCELLED":
      return (
        <>
          It was cancelled <Ago at={updatedAt} />.
        </>
      );
    case "FAILED":
    case "DEAD":
      return <Failed job={job} />;
    default:
      return status satisfies never;
  }
}

function Waits({
  job: { status, executionType, waiting, lastError, nextRetryAt, sealedAt },
}: {
  readonly job: JobDetail;
}) {
  if (executionType === "group")
    return <>{sealedAt ? "It ends when its members have ended." : "It is open: jobs may still become its members."}</>;
  const next = waiting?.until ?? nextRetryAt;
  return (
    <>
      {status === "RETRYING" && lastError !== null && (
        <>
          <Safe text={lastError} />.{" "}
        </>
      )}
      {waiting ? <Safe text={waiting.detail} /> : "It waits"}
      {next !== null && status === "RETRYING" && (
        <>
          : the next try is in <Countdown to={next} />
        </>
      )}
      .
    </>
  );
}

const REASONS: Readonly<Record<NonNullable<JobDetail["reason"]>, string>> = {
  final: "Another try would not have helped: ",
  expired: "Its time was over: ",
  seal_timeout: "It was not sealed in time: ",
  count_mismatch: "It had other members than it was to have: ",
};

function Failed({ job: { status, reason, lastError, updatedAt } }: { readonly job: JobDetail }) {
  const begin =
    status === "DEAD" ? "No retry is left: " : reason === undefined ? "It failed for good: " : REASONS[reason];
  return (
    <>
      {begin}
      <Safe text={lastError ?? "nothing is known of why"} />, <Ago at={updatedAt} />.
    </>
  );
}
