/** The server's PACS: search, retrieve, send. */
import type { Client } from "./client";

export interface StudySearch {
  patient_id: string;
  patient_name: string;
  /** YYYYMMDD, or empty. */
  date_from: string;
  date_to: string;
  modality: string;
}

export interface Study {
  uid: string;
  date: string | null;
  modalities: string | null;
  description: string | null;
  series: number | null;
  instances: number | null;
  patient_id: string | null;
  patient_name: string | null;
}

export interface Series {
  uid: string;
  number: number | null;
  modality: string | null;
  description: string | null;
  instances: number | null;
}

export interface Found<T> {
  found: T[];
  /** Whether there are more than these. */
  more: boolean;
}

export interface Retrieval {
  id: string;
  state: "running" | "done" | "failed" | "cancelled";
  done: number;
  total: number | null;
  volume: string | null;
  message: string;
}

export const searchStudies = (client: Client, wanted: StudySearch) =>
  client.json<Found<Study>>("POST", "/pacs/search", wanted);
export const listSeries = (client: Client, study: string) =>
  client.json<Found<Series>>("GET", `/pacs/studies/${study}/series`);
export const beginRetrieval = (client: Client, study: string, series: string) =>
  client.json<Retrieval>("POST", "/pacs/retrievals", { study, series });
export const retrieval = (client: Client, id: string) =>
  client.json<Retrieval>("GET", `/pacs/retrievals/${id}`);
export const cancelRetrieval = (client: Client, id: string) =>
  client.json<void>("DELETE", `/pacs/retrievals/${id}`);
export const sendResult = (
  client: Client,
  session: string,
  format: "seg" | "rtstruct",
  objects: readonly string[] | null,
) => client.json<{ pacs: string; series: string[] }>("POST", "/pacs/results", { session, format, objects });
