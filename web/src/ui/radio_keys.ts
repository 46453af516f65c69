/** Arrow keys in a group of radio buttons that are drawn by the page: they choose the next one, round and round. */

const STEPS: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

/** Whether the key was used. */
export function chooseByArrow(event: KeyboardEvent): boolean {
  const step = STEPS[event.key];
  const { target } = event;
  if (!step || !(target instanceof HTMLElement) || !target.matches("[role=radio]")) return false;
  if (event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return false;
  const group = target.closest("[role=radiogroup]");
  const radios = [...(group?.querySelectorAll<HTMLElement>("[role=radio]:not(:disabled)") ?? [])];
  const next = radios[(radios.indexOf(target) + step + radios.length) % radios.length];
  next?.focus();
  next?.click();
  return next !== undefined;
}
