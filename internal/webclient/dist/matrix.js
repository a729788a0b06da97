const RETENTION = "m.room.retention";
const CLASSIFICATION = "org.despatch.classification";
const DELIVERED = "org.despatch.delivered";
function text(v) {
  return typeof v === "string" ? v : "";
}
function relation(ev) {
  const r = ev.content["m.relates_to"];
  return r && typeof r === "object" ? r : {};
}
function localpart(user) {
  return user.replace(/^@/, "").replace(/:.*$/, "");
}
function serverOf(id) {
  return id.slice(id.indexOf(":") + 1);
}
export {
  CLASSIFICATION,
  DELIVERED,
  RETENTION,
  localpart,
  relation,
  serverOf,
  text
};
