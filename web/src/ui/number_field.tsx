/** A field for a number that takes only what is allowed: anything else gives back the value before. */
import "./styles/number_field.css";

export function NumberField(props: {
  label: string;
  value: number;
  set: (value: number) => void;
  min?: number;
  max?: number;
  step?: number;
}) {
  const { label, value, min, max, step } = props;
  return (
    <input
      type="number"
      class="number-field numbers"
      aria-label={label}
      value={value}
      min={min}
      max={max}
      step={step ?? 1}
      onChange={(event) => {
        const next = event.currentTarget.valueAsNumber;
        const allowed = Number.isFinite(next) && next >= (min ?? -1e9) && next <= (max ?? 1e9);
        if (allowed) props.set(next);
        else event.currentTarget.value = String(value);
      }}
    />
  );
}
