/** What a volume is, in words. */
import type { Modality, VolumeInfo } from "../api/wire_types";

export const MODALITIES: readonly Modality[] = ["CT", "MR", "PET", "other"];

const WITH_ARTICLE: Record<Modality, string> = {
  CT: "a CT",
  MR: "an MR",
  PET: "a PET",
  other: "an image of another modality",
};

export function modalityName(modality: Modality | null): string {
  return modality === "other" ? "Other" : (modality ?? "?");
}

export function withArticle(modality: Modality | null): string {
  return modality ? WITH_ARTICLE[modality] : "a volume";
}

/** Why a volume may be another one than it is taken for: the server's own words name an option of the command line. */
export function doubtText(
  volume: Pick<VolumeInfo, "modality" | "modality_source" | "modality_doubt">,
): string {
  const { modality, modality_source, modality_doubt } = volume;
  if (!modality_doubt) return "";
  if (modality_source === "values")
    return `The file does not say what it is. By its values it is taken for ${withArticle(modality)}.`;
  return modality === "CT"
    ? "This is read as a CT, but its values are hardly Hounsfield units: masks can be wrong."
    : `This is read as ${withArticle(modality)}, but its values look like the Hounsfield units of a CT.`;
}
