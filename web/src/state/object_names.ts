/** The names that the page offers for an object: the label set's first, then all that have a code. */
import type { Client } from "../api/client";
import { fetchLabels, type LabelList, type NameCode } from "../api/labels";
import { Observable } from "./observable";

export interface NameChoice {
  name: string;
  color: string | null;
  code: NameCode | null;
  /** Its value in the label map, if the label set has it. */
  value: number | null;
}

export interface NameGroup {
  title: string;
  choices: NameChoice[];
}

export class ObjectNames extends Observable {
  private list: LabelList | null = null;
  private loading: Promise<void> | null = null;

  constructor(private readonly client: Client) {
    super();
  }

  /** Fetch the names, once; without them any name can be typed, so a failure is not shown. */
  load(): Promise<void> {
    this.loading ??= fetchLabels(this.client).then(
      (list) => {
        this.list = list;
        this.notify();
      },
      () => {
        this.loading = null;
      },
    );
    return this.loading;
  }

  /** The colour that the label set gives an object of a name. */
  colourOf(name: string): string | null {
    return this.list?.labels.find((each) => each.name === name)?.color ?? null;
  }

  /** The names in which each typed word begins a word, of the name or its meaning; without those that are taken. */
  matching(typed: string, taken: readonly string[]): NameGroup[] {
    const { list } = this;
    if (!list) return [];
    const wanted = wordsOf(typed);
    const fits = (text: string, name: string) =>
      !taken.includes(name) &&
      wanted.every((part) => wordsOf(`${name} ${text}`).some((word) => word.startsWith(part)));
    const inSet = new Set(list.labels.map((each) => each.name));
    const others = new Map(list.coded.map((each) => [each.name, each.others.join(" ")]));
    const fromSet = list.labels.filter(({ name, code }) =>
      fits(`${others.get(name) ?? ""} ${meaningOf(code)}`, name),
    );
    const coded = list.coded.filter(
      ({ name, others, code }) => !inSet.has(name) && fits(`${others.join(" ")} ${meaningOf(code)}`, name),
    );
    return [
      { title: list.set_name || "Label set", choices: fromSet },
      {
        title: "Names with a code",
        choices: coded.map(({ name, color, code }) => ({ name, color, code, value: null })),
      },
    ].filter(({ choices }) => choices.length > 0);
  }
}

/** A code in words: "Kidney, left". */
export function meaningOf(code: NameCode | null): string {
  if (!code) return "";
  return code.side ? `${code.meaning}, ${code.side.toLowerCase()}` : code.meaning;
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}
