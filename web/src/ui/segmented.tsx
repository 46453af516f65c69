/** A choice among two or three words, side by side. */
import "./styles/segmented.css";

export function Segmented<T extends string>(props: {
  label: string;
  value: T;
  choices: readonly (readonly [T, string])[];
  choose: (value: T) => void;
}) {
  return (
    <div class="segmented" role="radiogroup" aria-label={props.label}>
      {props.choices.map(([value, text]) => (
        <button
          key={value}
          type="button"
          role="radio"
          aria-checked={props.value === value}
          tabIndex={props.value === value ? 0 : -1}
          onClick={() => props.choose(value)}
        >
          {text}
        </button>
      ))}
    </div>
  );
}
