export interface Row {
  readonly label: string;
  /** As it was when one began, as somebody else has saved it, and as it is edited here, if it is. */
  readonly before: string;
  readonly theirs: string;
  readonly mine: string | undefined;
}

interface VersionsProps {
  /** Such as "settings". */
  readonly what: string;
  readonly whoHref: string;
  readonly saved: number;
  readonly edited: number;
  readonly rows: readonly Row[];
  readonly onKeepMine: () => void;
  readonly onTakeTheirs: () => void;
}

/** Both versions side by side, where somebody else was faster. */
export function Versions({ what, whoHref, saved, edited, rows, onKeepMine, onTakeTheirs }: VersionsProps) {
  const shown = rows.filter(({ before, theirs, mine }) => theirs !== before || mine !== undefined);
  return (
    <section class="panel" role="alert" aria-label="Two versions">
      <header>
        <h2 class="grow">Somebody else has changed the {what}</h2>
        <a href={whoHref}>Who</a>
      </header>
      <table class="table versions">
        <caption class="hidden-text">What was changed, in both versions</caption>
        <thead>
          <tr>
            <th>Field</th>
            <th>Version {saved}, saved</th>
            <th>Yours, on version {edited}</th>
          </tr>
        </thead>
        <tbody>
          {shown.map(({ label, before, theirs, mine }) => (
            <tr key={label}>
              <td>{label}</td>
              <td class={theirs === before ? "muted" : undefined}>{theirs || "empty"}</td>
              <td class={mine === undefined ? "muted" : undefined}>{(mine ?? before) || "empty"}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <div class="inside row">
        <button type="button" class="button" onClick={onTakeTheirs}>
          Take what is saved
        </button>
        <button type="button" class="button primary" onClick={onKeepMine}>
          Put my changes on top
        </button>
        <span class="muted small">Nothing is saved before you look at it again.</span>
      </div>
    </section>
  );
}
