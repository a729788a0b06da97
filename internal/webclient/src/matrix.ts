// What the Matrix client-server API sends and takes, as far as the messenger uses it.

/** An event as clients see it. */
export interface MatrixEvent {
  event_id: string;
  type: string;
  sender: string;
  origin_server_ts: number;
  content: Content;
  state_key?: string;
  redacts?: string;
  room_id?: string;
  unsigned?: Unsigned;
}

export interface Unsigned {
  age?: number;
  transaction_id?: string;
  redacted_because?: MatrixEvent;
  "m.relations"?: { "m.replace"?: MatrixEvent };
  /** The number of the event on the record. */
  "org.despatch.position"?: number;
}

export interface Relation {
  rel_type?: string;
  event_id?: string;
  key?: string;
  "m.in_reply_to"?: { event_id?: string };
}

export interface MediaInfo {
  w?: number;
  h?: number;
  size?: number;
  mimetype?: string;
}

// The fields of every content the messenger reads. They come from other people's clients, so each
// is checked where it is used: nothing here is known to be of the type that is declared.
export interface Content {
  msgtype?: string;
  body?: string;
  filename?: string;
  url?: string;
  info?: MediaInfo;
  name?: string;
  topic?: string;
  membership?: string;
  displayname?: string | null;
  is_direct?: boolean;
  reason?: string;
  redacts?: string;
  max_lifetime?: number;
  event_id?: string;
  "m.relates_to"?: Relation;
  "m.new_content"?: Content;
  "m.mentions"?: { user_ids?: string[] };
  "org.despatch.reason"?: string;
  [key: string]: unknown;
}

export interface SyncResponse {
  next_batch: string;
  rooms?: {
    join?: Record<string, JoinedRoom>;
    invite?: Record<string, { invite_state?: { events?: MatrixEvent[] } }>;
    leave?: Record<string, unknown>;
  };
  account_data?: { events?: MatrixEvent[] };
}

export interface JoinedRoom {
  summary?: {
    "m.heroes"?: string[];
    "m.joined_member_count"?: number;
    "m.invited_member_count"?: number;
  };
  state?: { events?: MatrixEvent[] };
  timeline?: { events?: MatrixEvent[]; limited?: boolean; prev_batch?: string };
  ephemeral?: { events?: MatrixEvent[] };
  account_data?: { events?: MatrixEvent[] };
  unread_notifications?: { notification_count?: number; highlight_count?: number };
}

export interface Messages {
  chunk: MatrixEvent[];
  start?: string;
  end?: string;
  state?: MatrixEvent[];
}

/** The types of the events and of the fields that are Despatch's own. */
export const RETENTION = "m.room.retention";
export const CLASSIFICATION = "org.despatch.classification";
export const DELIVERED = "org.despatch.delivered";

export function text(v: unknown): string {
  return typeof v === "string" ? v : "";
}

export function relation(ev: MatrixEvent): Relation {
  const r = ev.content["m.relates_to"];
  return r && typeof r === "object" ? r : {};
}

/** The part of a user id that a person would say: "asha" of "@asha:dept.example". */
export function localpart(user: string): string {
  return user.replace(/^@/, "").replace(/:.*$/, "");
}

export function serverOf(id: string): string {
  return id.slice(id.indexOf(":") + 1);
}
