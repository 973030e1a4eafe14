import type { AppSettings } from "../../api/shapes.ts";
import { pathOf } from "../../root.ts";
import { SETTINGS, textsOf, type Texts } from "./texts.ts";

interface ConflictProps {
  /** The settings that were edited, and those that somebody else has made of them. */
  readonly base: AppSettings;
  readonly theirs: AppSettings;
  /** What was edited. */
  readonly mine: Texts;
  readonly onKeepMine: () => void;
  readonly onTakeTheirs: () => void;
}

/** Both versions side by side, where somebody else was faster. */
export function Conflict({ base, theirs, mine, onKeepMine, onTakeTheirs }: ConflictProps) {
  const [before, now] = [textsOf(base), textsOf(theirs)];
  const other = SETTINGS.filter(({ name }) => now[name] !== before[name] || mine[name] !== undefined);
  return (
    <section class="panel" role="alert" aria-label="Two versions">
      <header>
        <h2 class="grow">Somebody else has changed the settings</h2>
        <a href={pathOf("/app/audit?object=settings")}>Who</a>
      </header>
      <table class="table versions">
        <caption class="hidden-text">What was changed, in both versions</caption>
        <thead>
          <tr>
            <th>Setting</th>
            <th>Version {theirs.version}, saved</th>
            <th>Yours, on version {base.version}</th>
          </tr>
        </thead>
        <tbody>
          {other.map(({ name, label }) => (
            <tr key={name}>
              <td>{label}</td>
              <td class={now[name] === before[name] ? "muted" : undefined}>{now[name] || "empty"}</td>
              <td class={mine[name] === undefined ? "muted" : undefined}>{(mine[name] ?? before[name]) || "empty"}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <div class="inside row">
        <button type="button" class="button" onClick={onTakeTheirs}>
          Take the saved ones
        </button>
        <button type="button" class="button primary" onClick={onKeepMine}>
          Put my changes on top
        </button>
        <span class="muted small">Nothing is saved before you look at it again.</span>
      </div>
    </section>
  );
}
