import { useEffect, useId, useRef, useState } from "preact/hooks";
import { meaningOf, type NameChoice, type ObjectNames } from "../state/object_names";
import { useObservables } from "./use_observables";
import "./styles/name_field.css";

interface NameFieldProps {
  names: ObjectNames;
  value: string;
  label: string;
  /** Names that objects have already. */
  taken: readonly string[];
  /** Give it the focus when it appears. */
  focus?: boolean;
  class?: string;
  onInput?: (name: string) => void;
  /** A name of the list was chosen. */
  onChoose?: (name: string) => void;
  onEnter: (name: string) => void;
  onEscape: () => void;
  onLeave?: (name: string) => void;
}

/**
 * A field for the name of an object: a combobox (WAI-ARIA APG) that filters the names while one types.
 *
 * ↓ and ↑ choose in the list, Enter takes the choice, Esc closes the list; any other text is allowed, too.
 */
export function NameField(props: NameFieldProps) {
  const { names, value, label, taken } = props;
  useObservables(names);
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const [text, setText] = useState(value);
  const [open, setOpen] = useState(false);
  /** What filters the list: nothing until one types. */
  const [typed, setTyped] = useState("");
  const [active, setActive] = useState<string | null>(null);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (props.focus) input.current?.select();
  }, []);
  const groups = open ? names.matching(typed, taken) : [];
  const choices = groups.flatMap((each) => each.choices);
  const shown = choices.length > 0;
  const at = choices.findIndex((each) => each.name === active);
  useEffect(() => {
    const option = list.current?.querySelector('[aria-selected="true"]') ?? list.current;
    option?.scrollIntoView?.({ block: "nearest" });
  }, [shown, active]);

  const show = (filter: string) => {
    void names.load();
    setTyped(filter);
    setActive(null);
    setOpen(true);
  };
  const write = (name: string) => {
    setText(name);
    props.onInput?.(name);
  };
  const choose = (name: string) => {
    setOpen(false);
    write(name);
    props.onChoose?.(name);
  };
  const onKeyDown = (event: KeyboardEvent & { currentTarget: HTMLInputElement }) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      if (!open) return show("");
      const next = at < 0 && step < 0 ? choices.length - 1 : (at + step + choices.length) % choices.length;
      setActive(choices[next]?.name ?? null);
    } else if (event.key === "Enter") {
      if (shown && at >= 0) choose(choices[at].name);
      else {
        setOpen(false);
        props.onEnter(event.currentTarget.value);
      }
    } else if (event.key === "Escape") {
      event.stopPropagation();
      if (shown) {
        event.preventDefault(); // a dialog around it stays
        setOpen(false);
      } else props.onEscape();
    } else if (event.key === "Tab") setOpen(false);
  };

  return (
    <div class="name-field">
      <input
        ref={input}
        type="text"
        class={props.class}
        role="combobox"
        aria-label={label}
        aria-expanded={shown}
        aria-controls={`${id}-names`}
        aria-autocomplete="list"
        aria-activedescendant={shown && at >= 0 ? `${id}-${at}` : undefined}
        autocomplete="off"
        spellcheck={false}
        maxLength={64}
        value={text}
        onFocus={(event) => event.currentTarget.select()}
        onInput={(event) => {
          write(event.currentTarget.value);
          show(event.currentTarget.value);
        }}
        onKeyDown={onKeyDown}
        onBlur={(event) => {
          setOpen(false);
          props.onLeave?.(event.currentTarget.value);
        }}
      />
      <button
        type="button"
        class="quiet names-button"
        tabIndex={-1}
        aria-label="Show the names"
        aria-expanded={shown}
        aria-controls={`${id}-names`}
        onMouseDown={(event) => event.preventDefault()} // the field keeps the focus
        onClick={() => {
          input.current?.focus();
          if (shown) setOpen(false);
          else show("");
        }}
      >
        ▾
      </button>
      <div ref={list} id={`${id}-names`} class="names" role="listbox" aria-label="Names" hidden={!shown}>
        {groups.map(({ title, choices: inGroup }, group) => (
          <div key={title} role="group" aria-labelledby={`${id}-group-${group}`}>
            <div id={`${id}-group-${group}`} class="names-title" role="presentation">
              {title}
            </div>
            {inGroup.map((choice) => (
              <Option
                key={choice.name}
                id={`${id}-${choices.indexOf(choice)}`}
                choice={choice}
                active={choice.name === active}
                choose={() => choose(choice.name)}
              />
            ))}
          </div>
        ))}
      </div>
    </div>
  );
}

interface OptionProps {
  id: string;
  choice: NameChoice;
  active: boolean;
  choose: () => void;
}

function Option({ id, choice, active, choose }: OptionProps) {
  const { name, color, code, value } = choice;
  const about = [
    value === null ? "" : `value ${value}`,
    meaningOf(code),
    code && `${code.scheme} ${code.value}`,
  ];
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the field has the keys
    // biome-ignore lint/a11y/useFocusableInteractive: the field keeps the focus and names the active option
    <div
      id={id}
      class="name-option"
      role="option"
      aria-selected={active}
      onMouseDown={(event) => event.preventDefault()}
      onClick={choose}
    >
      <i class="swatch" style={{ background: color ?? "transparent" }} />
      <span class="ellipsis">{name}</span>
      {about.some(Boolean) && <span class="about dim ellipsis">{about.filter(Boolean).join(" · ")}</span>}
    </div>
  );
}
