// Requests to the server. All addresses are relative: the app works under any path.

const FRAME = 1;
const MASK = 2;

export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path, options = {}) {
  const headers = { "x-stylecinegan": "1", ...options.headers };
  let answer;
  try {
    answer = await fetch(`api/sessions${path}`, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "The server cannot be reached.");
  }
  if (answer.ok) return answer;
  let message = `The server answered with ${answer.status}.`;
  try {
    const text = await answer.text();
    message = text;
    message = JSON.parse(text).message;
  } catch {
    // not JSON: the text says it
  }
  throw new Refusal(answer.status, message);
}

const asJson = (value) => ({ method: "POST", body: JSON.stringify(value) });

export const openExample = async () => (await ask("?example", { method: "POST" })).json();

export async function openFile(file) {
  const headers = { "x-name": encodeURIComponent(file.name ?? "photo") };
  return (await ask("", { method: "POST", body: file, headers })).json();
}

export const describe = async (id) => (await ask(`/${id}`)).json();

export const photo = async (id) => (await ask(`/${id}/photo`)).blob();

export const setStyle = (id, file) => ask(`/${id}/style`, { method: "POST", body: file });

export const sessionFile = async (id, wish) => (await ask(`/${id}/file`, asJson(wish))).blob();

export const command = async (id, wish) => (await ask(`/${id}/command`, asJson(wish))).json();

export const cancelRender = (id) => ask(`/${id}/render`, { method: "DELETE" });

export const videoAddress = (id) => `api/sessions/${id}/video`;

// Asks for mask and loop; calls hear(kind, value) with "mask" and "frame" blobs and "news".
export async function preview(id, edits, signal, hear) {
  const answer = await ask(`/${id}/preview`, { ...asJson({ edits }), signal });
  let buffer = new Uint8Array(0);
  for await (const part of parts(answer.body)) {
    const joined = new Uint8Array(buffer.length + part.length);
    joined.set(buffer);
    joined.set(part, buffer.length);
    buffer = joined;
    while (buffer.length >= 5) {
      const length = new DataView(buffer.buffer, buffer.byteOffset).getUint32(1);
      if (buffer.length < 5 + length) break;
      const data = buffer.slice(5, 5 + length);
      const kind = buffer[0];
      buffer = buffer.subarray(5 + length);
      if (kind === FRAME) hear("frame", new Blob([data], { type: "image/jpeg" }));
      else if (kind === MASK) hear("mask", new Blob([data], { type: "image/png" }));
      else hear("news", JSON.parse(new TextDecoder().decode(data)));
    }
  }
}

// Asks for the video; calls hear(news) with what the server says of it.
export async function render(id, wish, hear) {
  const answer = await ask(`/${id}/render`, asJson(wish));
  const decoder = new TextDecoder();
  let text = "";
  for await (const part of parts(answer.body)) {
    text += decoder.decode(part, { stream: true });
    const lines = text.split("\n");
    text = lines.pop();
    for (const line of lines) hear(JSON.parse(line));
  }
}

// Not every browser can iterate over a stream.
async function* parts(stream) {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.releaseLock();
  }
}
