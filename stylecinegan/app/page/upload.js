// Ways to open a photo: chosen, dropped, pasted.

import { $ } from "./elements.js";
import { open } from "./sessions.js";

export function setUpUpload() {
  $("file").addEventListener("change", () => {
    openFirst($("file").files);
    $("file").value = ""; // so that choosing the same file again is a change
  });
  addEventListener("dragover", (event) => {
    event.preventDefault();
    $("drop").hidden = !event.dataTransfer.types.includes("Files");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) $("drop").hidden = true;
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    $("drop").hidden = true;
    openFirst(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => openFirst(event.clipboardData.files));
}

function openFirst(files) {
  if (files.length) open(files[0]);
}
