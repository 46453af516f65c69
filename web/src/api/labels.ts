/** The names that objects may have: those of the server's label set, and all that have a code. */
import type { Client } from "./client";

export interface NameCode {
  /** "SCT" is SNOMED CT. */
  scheme: string;
  value: string;
  meaning: string;
  side: string | null;
}

/** A name of the label set, with its fixed value in the label map. */
export interface SetName {
  name: string;
  value: number;
  color: string | null;
  code: NameCode | null;
}

export interface CodedName {
  name: string;
  /** Further words for it. */
  others: string[];
  color: string | null;
  code: NameCode;
}

export interface LabelList {
  set_name: string | null;
  labels: SetName[];
  coded: CodedName[];
}

export const fetchLabels = (client: Client) => client.json<LabelList>("GET", "/labels");
