import { absoluteText, countdownText, durationText, now, tick, zone } from "../time.ts";

/** How long ago a time was, or its date: by the choice of whoever looks. */
export function Ago({ at, suffix = true }: { readonly at: string | null | undefined; readonly suffix?: boolean }) {
  if (at === null || at === undefined) return <span class="muted">–</span>;
  const time = Date.parse(at);
  return (
    <time dateTime={at} title={`${absoluteText(time, "local")} · ${absoluteText(time, "utc")}`} class="nowrap">
      {zone.value === "relative" ? <Relative time={time} suffix={suffix} /> : absoluteText(time, zone.value)}
    </time>
  );
}

function Relative({ time, suffix }: { readonly time: number; readonly suffix: boolean }) {
  void tick.value;
  const ms = now() - time;
  if (Math.abs(ms) < 1_000) return <>now</>;
  if (ms < 0) return <>{suffix ? `in ${durationText(-ms)}` : durationText(-ms)}</>;
  return <>{suffix ? `${durationText(ms)} ago` : durationText(ms)}</>;
}

/** The time that is left, to the second: `in 3:12`. Screen readers are not told each second. */
export function Countdown({ to }: { readonly to: string }) {
  void tick.value;
  const left = Date.parse(to) - now();
  return (
    <time dateTime={to} title={absoluteText(Date.parse(to), "local")}>
      <span aria-hidden="true">{left <= 0 ? "now" : `in ${countdownText(left)}`}</span>
      <span class="hidden-text">at {absoluteText(Date.parse(to), "local")}</span>
    </time>
  );
}
