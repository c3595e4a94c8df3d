// The session with the server: a photo is opened, and opened again if the server has forgotten it.

import { app, tools } from "./app.js";
import { $ } from "./elements.js";
import * as server from "./server.js";
import { say } from "./status.js";

// What was sent, to be sent again if need be.
let photoFile = null;
let styleFile = null;

let opening = null; // AbortController of the photo that is being opened
let reopening = null; // promise

// Opens a file, or the example ("example").
export async function open(file) {
  const { signal } = startOpening();
  try {
    // A video that is being made keeps its session.
    const replaces = app.isRendering ? null : app.session?.id;
    const options = { replaces, signal, onProgress: (share) => signal.aborted || showProgress(share) };
    const session = await retrying(() => server.open(file, options), signal);
    if (signal.aborted) return;
    photoFile = file;
    styleFile = null;
    await enter(session);
  } catch (error) {
    if (!signal.aborted) say(error.message, "error");
  } finally {
    if (opening?.signal === signal) opening = null;
  }
}

// Continues the session of a page that was reloaded, or opens the example.
export async function begin() {
  showEmpty(true);
  const id = sessionStorage.getItem("session");
  if (!id) return open("example");
  const { signal } = startOpening();
  try {
    const session = await retrying(() => server.describe(id), signal);
    if (!signal.aborted) await enter(session);
  } catch {
    if (signal.aborted) return;
    sessionStorage.removeItem("session");
    await open("example");
  } finally {
    if (opening?.signal === signal) opening = null;
  }
}

export function stopOpening() {
  if (!opening) return;
  opening.abort();
  say("");
}

// Does something with the session, which is opened again if need be.
export async function inSession(action) {
  try {
    return await action(app.session.id);
  } catch (error) {
    if (!canReopen(error)) throw error;
    await reopen();
    return action(app.session.id);
  }
}

// Whether the server has forgotten the session and the page has its photo. (A reloaded page has not.)
export const canReopen = (error) => error.status === 410 && photoFile !== null;

// Opens the photo again after the server has forgotten the session (it was idle for long, or the
// server was restarted); the page still has everything.
export function reopen() {
  reopening ??= (async () => {
    const before = app.session;
    const session = await retrying(() => server.open(photoFile));
    if (before !== app.session) return; // another photo was opened meanwhile
    if (styleFile) await retrying(() => server.setStyle(session.id, styleFile));
    app.session = { ...session, name: before.name };
    sessionStorage.setItem("session", session.id);
    if (!styleFile && !session.has_style) app.history.change({ has_style: false });
  })().finally(() => {
    reopening = null;
  });
  return reopening;
}

export async function sendStyle(file) {
  await inSession((id) => server.setStyle(id, file));
  styleFile = file;
}

function startOpening() {
  say("Opening the photo…", "busy");
  app.tell("opening");
  opening?.abort();
  opening = new AbortController();
  return opening;
}

function showProgress(share) {
  const text = share < 1 ? ` ${Math.round(100 * share)} %` : "";
  say(`Opening the photo…${text}`, "busy");
}

async function enter(session) {
  const picture = await createImageBitmap(await retrying(() => server.photo(session.id)));
  showEmpty(false);
  app.picture?.close();
  Object.assign(app, { session, picture, mask: null, pending: [] });
  app.loop.clear();
  app.history.reset(session.edits);
  app.view.setPhoto(session.width, session.height);
  tools.chosen = null;
  sessionStorage.setItem("session", session.id);
  document.title = `${session.name} – StyleCineGAN`;
  app.tell("session");
  app.tell("edits");
}

// Without a photo there is nothing to set, to play or to save.
function showEmpty(isEmpty) {
  for (const part of ["tools", "panel", "player"]) $(part).inert = isEmpty;
  for (const button of ["export", "undo", "redo"]) $(button).disabled = isEmpty;
}

// Repeats a request while the server is away or full.
async function retrying(request, signal) {
  for (;;) {
    try {
      return await request();
    } catch (error) {
      if (!error.isTemporary) throw error;
      if (!signal?.aborted) say(`${error.message} Trying again…`, "retry");
      await new Promise((resolve) => setTimeout(resolve, error.retryAfter));
      if (signal?.aborted) throw new DOMException("", "AbortError");
    }
  }
}
