// The message above the photo.

import { $ } from "./elements.js";

const DURATIONS = { note: 4000, error: 12000 }; // in milliseconds; others stay

let hiding = 0;

// Shows a message, or hides it if empty. Kinds: "note", "busy", "error", "retry" (an error, busy).
export function say(text, kind = "note") {
  clearTimeout(hiding);
  const status = $("status");
  status.hidden = !text;
  if (!text) return;
  status.textContent = text;
  status.classList.toggle("error", kind === "error" || kind === "retry");
  status.classList.toggle("busy", kind === "busy" || kind === "retry");
  if (kind in DURATIONS) hiding = setTimeout(() => say(""), DURATIONS[kind]);
}

// Makes an event handler of an asynchronous action, whose errors it shows.
export const reportingErrors = (action) => async (event) => {
  try {
    await action(event);
  } catch (error) {
    say(error.message, "error");
  }
};
