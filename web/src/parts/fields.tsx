import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

// Fields of forms, each with its label, its hint and what is wrong with it.

export interface FieldProps {
  readonly id: string;
  readonly label: string;
  readonly hint?: string | undefined;
  readonly problem?: string | undefined;
  readonly value: string;
  /** Values to choose from; others may be written. */
  readonly options?: readonly string[];
  readonly isMono?: boolean;
  readonly isDisabled?: boolean;
  readonly onChange: (value: string) => void;
}

export function Field({ options, isMono = false, isDisabled = false, ...props }: FieldProps) {
  const { id, value, onChange } = props;
  const list = useId();
  return (
    <Labelled {...props}>
      <input
        {...described(props)}
        type="text"
        class={isMono ? "input mono" : "input"}
        value={value}
        disabled={isDisabled}
        spellcheck={false}
        autocomplete="off"
        {...(options && { list })}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
      {options && (
        <datalist id={list} key={id}>
          {options.map((each) => (
            <option key={each} value={each} />
          ))}
        </datalist>
      )}
    </Labelled>
  );
}

export function Area({ rows = 6, isDisabled = false, ...props }: FieldProps & { readonly rows?: number }) {
  return (
    <Labelled {...props}>
      <textarea
        {...described(props)}
        class="input"
        rows={rows}
        disabled={isDisabled}
        spellcheck={false}
        value={props.value}
        onInput={(event) => props.onChange(event.currentTarget.value)}
      />
    </Labelled>
  );
}

interface ChoiceProps extends Omit<FieldProps, "options"> {
  readonly options: Readonly<Record<string, string>>;
}

export function Choice({ options, isDisabled = false, ...props }: ChoiceProps) {
  const { value, onChange } = props;
  return (
    <Labelled {...props}>
      <select
        {...described(props)}
        class="input"
        disabled={isDisabled}
        value={value}
        onChange={(event) => onChange(event.currentTarget.value)}
      >
        {Object.entries(options).map(([each, word]) => (
          <option key={each} value={each}>
            {word}
          </option>
        ))}
      </select>
    </Labelled>
  );
}

function described({ id, hint, problem }: Pick<FieldProps, "id" | "hint" | "problem">) {
  const by = [...(hint === undefined ? [] : [`${id}-hint`]), ...(problem === undefined ? [] : [`${id}-problem`])];
  return {
    id,
    ...(by.length > 0 && { "aria-describedby": by.join(" ") }),
    ...(problem !== undefined && { "aria-invalid": true }),
  };
}

type LabelledProps = Pick<FieldProps, "id" | "label" | "hint" | "problem"> & {
  readonly children: ComponentChildren;
};

function Labelled({ id, label, hint, problem, children }: LabelledProps) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children}
      {hint !== undefined && (
        <span class="hint" id={`${id}-hint`}>
          {hint}
        </span>
      )}
      {problem !== undefined && (
        <span class="problem" id={`${id}-problem`}>
          {problem}
        </span>
      )}
    </div>
  );
}
