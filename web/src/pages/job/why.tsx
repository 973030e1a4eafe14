import type { JobDetail } from "../../api/shapes.ts";
import { Resume } from "../../parts/resume.tsx";
import { Safe } from "../../parts/text.tsx";
import { Ago, Countdown } from "../../parts/time.tsx";
import { absoluteText, clockText, now, zone } from "../../time.ts";

/** Why a job is as it is: the first thing that is said of it. */
export function Why({ job }: { readonly job: JobDetail }) {
  return (
    <div class="row wide">
      <p class="why">
        <Sentence job={job} />
      </p>
      {isShut(job) && <Resume destination={job.destination ?? ""} />}
    </div>
  );
}

/** Whether a person can end its wait by resuming its destination. */
function isShut({ waiting, destination }: JobDetail): boolean {
  return destination !== null && (waiting?.reason === "outage" || waiting?.reason === "held");
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

function Waits({ job: { status, executionType, waiting, lastError, sealedAt } }: { readonly job: JobDetail }) {
  if (executionType === "group")
    return <>{sealedAt ? "It ends when its members have ended." : "It is open: jobs may still become its members."}</>;
  const isTold = waiting?.detail.includes("ended with: ") || waiting?.detail.includes(`(${lastError})`);
  return (
    <>
      {status === "RETRYING" && lastError !== null && !isTold && (
        <>
          <Safe text={lastError} />.{" "}
        </>
      )}
      {waiting ? <Detail text={waiting.detail} /> : "It waits"}
      {waiting?.reason === "outage" && waiting.until !== null && (
        <>
          , next <Countdown to={waiting.until} />
        </>
      )}
      .
    </>
  );
}

/** The service's sentence, with its times as whoever looks has chosen to see times. */
function Detail({ text }: { readonly text: string }) {
  return (
    <>
      {text.split(/((?:\bat )?\d{4}-\d\d-\d\dT[\d:.]+Z)/).map((piece, at) => {
        // The pieces between are what the pattern has found.
        if (at % 2 === 0) return <Safe key={at} text={piece} />;
        const time = piece.replace("at ", "");
        return piece === time ? <Moment key={at} at={time} /> : <Start key={at} at={time} />;
      })}
    </>
  );
}

/** `in 3:12`, where a sentence says "at" a time to come. */
function Start({ at }: { readonly at: string }) {
  if (zone.value !== "relative")
    return (
      <>
        at <Moment at={at} />
      </>
    );
  return <Countdown to={at} />;
}

function Moment({ at }: { readonly at: string }) {
  const time = Date.parse(at);
  const isToday = new Date(time).toDateString() === new Date(now()).toDateString();
  return (
    <time dateTime={at} title={absoluteText(time, "utc")}>
      {isToday && zone.value !== "utc" ? clockText(time) : absoluteText(time, zone.value)}
    </time>
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
