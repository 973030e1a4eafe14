/** A piece of a job's life, in any direction. */
export interface Bar {
  readonly kind: "attempt" | "lost" | "wait" | "planned" | "now";
  readonly width: number;
  readonly label: string;
  readonly tone?: string;
  readonly number?: number;
  readonly title: string;
}

/** So much before now, and so much after it. */
const BEFORE = 7;
const AFTER = 4;

interface DownProps {
  readonly bars: readonly Bar[];
  readonly selected: number | undefined;
  readonly onSelect: (number: number) => void;
}

/** The timeline of a phone: from above to below, around now. */
export function TimelineDown({ bars, selected, onSelect }: DownProps) {
  const at = bars.findIndex(({ kind }) => kind === "now");
  const end = at < 0 ? bars.length : at;
  const from = Math.max(0, end - BEFORE);
  const shown = bars.slice(from, end + AFTER + 1);
  return (
    <ol class="timeline-down" role="list">
      {from > 0 && <li class="muted small">earlier attempts are in the table</li>}
      {shown.map((bar, n) => (
        <li key={n} data-kind={bar.kind} data-tone={bar.tone}>
          <Step bar={bar} selected={selected} onSelect={onSelect} />
        </li>
      ))}
    </ol>
  );
}

function Step({
  bar: { kind, label, number, title },
  selected,
  onSelect,
}: Omit<DownProps, "bars"> & { readonly bar: Bar }) {
  switch (kind) {
    case "attempt":
    case "lost":
      return (
        <button
          type="button"
          class="button plain"
          aria-pressed={number === selected}
          onClick={() => number !== undefined && onSelect(number)}
        >
          <span class="dot" {...(kind === "lost" && { "data-hollow": "" })} /> {label}
          <span class="muted small">attempt {number}</span>
        </button>
      );
    case "planned":
      return (
        <span class="row tight small">
          <span class="dot" data-hollow="" /> {title}
        </span>
      );
    case "now":
      return <b>now</b>;
    case "wait":
      return <span class="muted small">{label}</span>;
    default:
      return kind satisfies never;
  }
}
