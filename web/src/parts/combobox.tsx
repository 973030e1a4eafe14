import { useId, useRef, useState } from "preact/hooks";
import { Icon } from "./icon.tsx";

// One field with suggestions, after the ARIA pattern: the search of jobs and the palette of commands share it.

export interface Option {
  readonly value: string;
  readonly hint?: string;
  /** What choosing it does, where it is no text to go on with. */
  readonly act?: () => void;
}

export interface ComboboxProps {
  readonly label: string;
  readonly value: string;
  readonly placeholder?: string;
  readonly id?: string;
  /** The suggestions for a text, given the place of the cursor. */
  readonly suggest: (text: string) => readonly Option[];
  /** `isChosen`: a suggestion was taken, and the text is not to be sent yet. */
  readonly onInput: (text: string) => void;
  readonly onSubmit: (text: string) => void;
  /** The text to go on from, once somebody stands at its end. */
  readonly begin?: (text: string) => string;
  /** The text after a suggestion is taken. Default: the suggestion. */
  readonly take?: (text: string, option: Option) => string;
}

export function Combobox(props: ComboboxProps) {
  const { label, value, placeholder, id, onInput, onSubmit, begin } = props;
  const listId = useId();
  const { input, options, active, open, close, choose, onKeyDown } = useOptions(props);
  return (
    <div class="combo">
      <input
        ref={input}
        class="input"
        type="text"
        role="combobox"
        {...(id !== undefined && { id })}
        aria-label={label}
        aria-autocomplete="list"
        aria-expanded={options.length > 0}
        aria-controls={listId}
        {...(active >= 0 && { "aria-activedescendant": `${listId}-${active}` })}
        autocomplete="off"
        spellcheck={false}
        placeholder={placeholder}
        value={value}
        onInput={(event) => {
          open();
          onInput(event.currentTarget.value);
        }}
        onFocus={() => open()}
        onClick={({ currentTarget: { selectionStart } }) =>
          begin && selectionStart === value.length && onInput(begin(value))
        }
        onBlur={close}
        onKeyDown={onKeyDown}
      />
      {value !== "" && (
        <button
          type="button"
          class="button plain icon small clear"
          aria-label="Clear"
          onClick={() => (onInput(""), onSubmit(""))}
        >
          <Icon shape="cross" />
        </button>
      )}
      <ul role="listbox" id={listId} aria-label={label} class="options" hidden={options.length === 0}>
        {options.map((option, at) => (
          <li
            key={option.value}
            id={`${listId}-${at}`}
            role="option"
            class="option"
            aria-selected={at === active}
            // Before the field loses the focus.
            onMouseDown={(event) => (event.preventDefault(), choose(option))}
          >
            <span class="mono">{option.value}</span>
            {option.hint !== undefined && <span class="muted small">{option.hint}</span>}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Which suggestions are shown, and which of them the keys have reached. */
function useOptions({ value, suggest, onInput, onSubmit, take = (_, { value: text }) => text }: ComboboxProps) {
  const input = useRef<HTMLInputElement>(null);
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const options = isOpen ? suggest(value) : [];
  const open = (at = -1) => {
    setOpen(true);
    setActive(at);
  };
  const close = () => {
    setOpen(false);
    setActive(-1);
  };
  const choose = (option: Option) => {
    if (option.act) {
      close();
      option.act();
      return;
    }
    onInput(take(value, option));
    setActive(-1);
    input.current?.focus();
  };
  const move = (by: 1 | -1) => {
    const from = active < 0 && by < 0 ? 0 : active;
    open(options.length === 0 ? -1 : (from + by + options.length) % options.length);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const option = options[active];
    switch (event.key) {
      case "ArrowDown":
      case "ArrowUp":
        event.preventDefault();
        move(event.key === "ArrowDown" ? 1 : -1);
        break;
      case "Enter":
        event.preventDefault();
        if (option) choose(option);
        else {
          close();
          onSubmit(value);
        }
        break;
      case "Tab":
        if (option) {
          event.preventDefault();
          choose(option);
        }
        break;
      case "Escape":
        if (options.length > 0) event.stopPropagation();
        close();
        break;
      default:
    }
  };
  return { input, options, active, open, close, choose, onKeyDown };
}
