import { useState } from "preact/hooks";
import { holdDestination, hostOf } from "../../destinations.ts";
import { Confirm } from "../../parts/dialog.tsx";
import { Field } from "../../parts/fields.tsx";
import { sentenceOf } from "../../parts/notices.tsx";

interface HoldProps {
  /** Empty: its name is asked for. */
  readonly destination: string;
  readonly onClose: () => void;
}

/** Asks before an app's jobs to a destination are let wait. */
export function Hold({ destination, onClose }: HoldProps) {
  const [name, setName] = useState("");
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const hold = async () => {
    try {
      await holdDestination(destination || name.trim());
      return true;
    } catch (error) {
      setProblem(sentenceOf(error));
      return false;
    }
  };
  return (
    <Confirm
      title={destination === "" ? "Hold a destination?" : `Hold ${hostOf({ destination })}?`}
      yes="Hold it"
      no="Keep it as it is"
      hasField={destination === ""}
      isOpen
      onClose={onClose}
      act={hold}
    >
      <p>
        Its jobs wait, without using up retries, until somebody resumes it. None starts from ten seconds on; attempts
        that run are let finish.
      </p>
      {destination === "" ? (
        <Field
          id="destination"
          label="Destination"
          hint="As https://hooks.example.com, or a function's name"
          problem={problem}
          value={name}
          onChange={setName}
        />
      ) : (
        problem !== undefined && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )
      )}
    </Confirm>
  );
}
