/**
 * Names keys as a US keyboard has them, whatever keyboard the user has, so that a shortcut is one name everywhere.
 *
 * - Letters follow what is typed (`KeyboardEvent.key`): `Z` undoes wherever it lies. Where other letters are typed, as
 *   with a Cyrillic keyboard, they follow the position.
 * - Digits and the keys of `POSITIONS` follow the position (`KeyboardEvent.code`), so that no `AltGr`, `Option` or
 *   `Shift` is needed where other keyboards have something else there.
 * - A sign that is typed all the same, with whatever modifier, is that sign.
 */

export type KeyPress = Pick<KeyboardEvent, "key" | "code" | "shiftKey" | "ctrlKey" | "metaKey" | "altKey"> & {
  getModifierState?: (name: string) => boolean;
};

const POSITIONS: Readonly<Record<string, string>> = {
  BracketLeft: "[",
  BracketRight: "]",
  Minus: "-",
  Equal: "=",
  Comma: ",",
  Period: ".",
};
/** These are typed with modifiers on some keyboards; so are digits. */
const SIGNS = "[]-=,.";
const LATIN = /^[a-z]$/;
const DIGIT = /^\d$/;

/** The name of a key with `ctrl+` and `shift+` before it; null for keys that belong to the system. */
export function bindingOf(press: KeyPress): string | null {
  const key = press.key.toLowerCase();
  const altGraph = press.getModifierState?.("AltGraph") || (press.ctrlKey && press.altKey);
  // `AltGr` or `Option` that types a sign; every other combination with Alt is the browser's.
  if (altGraph || press.altKey) return "[]".includes(key) ? key : null;
  const ctrl = press.ctrlKey || press.metaKey ? "ctrl+" : "";
  const shift = press.shiftKey ? "shift+" : "";
  if (key === "?") return `${ctrl}?`;
  if (press.shiftKey && (DIGIT.test(key) || (key.length === 1 && SIGNS.includes(key)))) return ctrl + key;
  const name = nameOf(key, press.code);
  return name && ctrl + shift + name;
}

function nameOf(key: string, code: string): string | null {
  if (LATIN.test(key) || key === "[" || key === "]") return key;
  if (code.startsWith("Digit")) return code.slice(5);
  if (POSITIONS[code]) return POSITIONS[code];
  if (code.startsWith("Numpad") && (key === "+" || key === "-")) return `numpad${key}`;
  if (code.startsWith("Key") && /^\p{L}$/u.test(key)) return code.slice(3).toLowerCase();
  // What types a minus elsewhere is not the neighbour of what types a plus.
  return key === "-" || key === "dead" ? null : key;
}

let own: ReadonlyMap<string, string> = new Map();

interface Keyboard {
  getLayoutMap(): Promise<ReadonlyMap<string, string>>;
}

/** Learn what is printed on the user's keys; only Chrome and Edge tell. */
export async function readKeyboard(
  keyboard = (navigator as Navigator & { keyboard?: Keyboard }).keyboard,
): Promise<void> {
  // A page in a frame may not know the keyboard; then the keys are shown as a US keyboard has them.
  own = (await keyboard?.getLayoutMap().catch(() => undefined)) ?? new Map();
}

/** What the user's keyboard shows on a key, or on several with " / " between them, named as on a US keyboard. */
export function keyLabel(label: string): string {
  return label
    .split(" / ")
    .map((name) => {
      const code = Object.keys(POSITIONS).find((each) => POSITIONS[each] === name.replace("−", "-"));
      const printed = code && own.get(code);
      if (!printed || printed === name.replace("−", "-")) return name;
      // "ß" has no capital letter on a key.
      return printed.toUpperCase().length === 1 ? printed.toUpperCase() : printed;
    })
    .join(" / ");
}
