// The style picture.

import { app } from "./app.js";
import { $ } from "./elements.js";
import { sendStyle } from "./sessions.js";
import { reportingErrors, say } from "./status.js";

export function setUpStyle() {
  $("style-file").addEventListener("change", reportingErrors(takeStyle));
  $("style-remove").addEventListener("click", () => app.change({ has_style: false }));
  app.on("edits", showStyle);
  app.on("session", showStyle);
}

async function takeStyle() {
  const file = $("style-file").files[0];
  $("style-file").value = ""; // so that choosing the same file again is a change
  if (!file) return;
  say("Reading the style…", "busy");
  await sendStyle(file);
  const picture = $("style-picture");
  URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(file);
  if (app.history.edits.has_style) app.tell("edits");
  else app.change({ has_style: true });
}

function showStyle() {
  const { has_style } = app.history.edits;
  $("style-none").hidden = has_style;
  $("style-some").hidden = !has_style;
  if (!app.session.has_style && !has_style) $("style-picture").removeAttribute("src");
}
