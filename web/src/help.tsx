import { KEYS, areKeysOn, isHelpOpen, switchKeys } from "./keys.ts";
import { me } from "./me.ts";
import { Dialog } from "./parts/dialog.tsx";
import { API } from "./root.ts";

export function Help() {
  const shown = me.value;
  return (
    <Dialog title="Keys and help" isOpen={isHelpOpen.value} onClose={() => (isHelpOpen.value = false)}>
      <div class="stack">
        <dl class="facts">
          {KEYS.map(([keys, what]) => (
            <>
              <dt>
                <kbd>{keys}</kbd>
              </dt>
              <dd>{what}</dd>
            </>
          ))}
        </dl>
        <label class="check">
          <input
            type="checkbox"
            checked={areKeysOn.value}
            onChange={(event) => switchKeys(event.currentTarget.checked)}
          />
          Single keys are on
        </label>
        {shown && (
          <p class="muted small">
            You are {shown.sub} ({shown.roles.join(", ") || "no role"}): you may{" "}
            {shown.may.change ? "read and change" : shown.may.read ? "read" : "not read"} this app. Version{" "}
            {shown.service.version}, stage {shown.service.stage}.{" "}
            <a href={new URL("api-docs", API).href}>The API's document</a>
          </p>
        )}
        <div class="actions">
          <button type="button" class="button primary" onClick={() => (isHelpOpen.value = false)}>
            Close
          </button>
        </div>
      </div>
    </Dialog>
  );
}
