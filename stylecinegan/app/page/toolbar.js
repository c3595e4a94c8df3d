// Tools, undo and redo, help, and the button that opens the settings on narrow screens.

import { app, tools } from "./app.js";
import { $ } from "./elements.js";

const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

export function setUpToolbar() {
  for (const button of $("tools").children) {
    button.addEventListener("click", () => tools.choose(button.dataset.tool));
  }
  $("tools").addEventListener("keydown", chooseByKey);
  $("undo").addEventListener("click", () => app.undo());
  $("redo").addEventListener("click", () => app.redo());
  $("help").addEventListener("click", showHelp);
  $("adjust").addEventListener("click", () => {
    const isOpen = document.body.classList.toggle("adjusting");
    $("adjust").setAttribute("aria-expanded", isOpen);
  });
  app.on("tool", showTool);
  app.on("edits", showHistory);
  showTool();
}

export function showHelp() {
  $("keys").showModal();
}

// The arrow keys choose among the tools, as in every group of radio buttons.
function chooseByKey(event) {
  const step = STEPS[event.key];
  if (!step) return;
  event.preventDefault();
  event.stopPropagation();
  const buttons = [...$("tools").children];
  const index = buttons.findIndex((button) => button.dataset.tool === tools.tool);
  const next = buttons[(index + step + buttons.length) % buttons.length];
  tools.choose(next.dataset.tool);
  next.focus();
}

function showTool() {
  for (const button of $("tools").children) {
    const isChosen = button.dataset.tool === tools.tool;
    button.setAttribute("aria-checked", isChosen);
    button.tabIndex = isChosen ? 0 : -1;
  }
}

function showHistory() {
  $("undo").disabled = !app.history.canUndo;
  $("redo").disabled = !app.history.canRedo;
}
