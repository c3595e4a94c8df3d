// Gestures of mouse, pen and fingers on the stage: drawing, panning, zooming.

// Calls the handlers begin, draw, finish, drop and hover of drawing, with points of the photo, and
// hasMoved after the view was panned or zoomed; pans(event) says whether a press begins to pan.
export function listen(stage, view, handlers) {
  const touches = new Map();
  let drawing = null; // id of the pointer that draws
  let panning = null;
  let isPinching = false;

  const place = (event) => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  const pinch = () => {
    const [a, b] = [...touches.values()];
    return { x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2, apart: Math.hypot(a[0] - b[0], a[1] - b[1]) };
  };

  stage.addEventListener("pointerdown", (event) => {
    stage.focus({ preventScroll: true });
    event.preventDefault();
    const at = place(event);
    if (event.pointerType === "touch") {
      touches.set(event.pointerId, at);
      if (touches.size === 2) {
        // With a second finger, the first was not meant to draw.
        if (drawing !== null) handlers.drop();
        drawing = panning = null;
        isPinching = true;
      }
      if (touches.size > 1) return;
    }
    if (drawing !== null || panning !== null) return;
    stage.setPointerCapture(event.pointerId);
    if (event.button === 1 || handlers.pans(event)) {
      panning = { id: event.pointerId, at };
      stage.classList.add("panning");
    } else if (event.button === 0) {
      drawing = event.pointerId;
      handlers.begin(view.toPhoto(...at), event);
    }
  });

  stage.addEventListener("pointermove", (event) => {
    const at = place(event);
    if (event.pointerType === "touch" && touches.has(event.pointerId)) {
      const before = isPinching ? pinch() : null;
      touches.set(event.pointerId, at);
      if (before) {
        const after = pinch();
        view.pan(after.x - before.x, after.y - before.y);
        if (before.apart > 0) view.zoom(after.apart / before.apart, after.x, after.y);
        handlers.hasMoved();
        return;
      }
    }
    if (panning?.id === event.pointerId) {
      view.pan(at[0] - panning.at[0], at[1] - panning.at[1]);
      panning.at = at;
      handlers.hasMoved();
      return;
    }
    if (drawing === event.pointerId) {
      // All positions since the last event, in browsers that report them.
      const events = event.getCoalescedEvents?.() ?? [];
      for (const one of events.length ? events : [event]) {
        handlers.draw(view.toPhoto(...place(one)), one);
      }
      return;
    }
    if (event.pointerType !== "touch") handlers.hover(view.toPhoto(...at));
  });

  const end = (event) => {
    touches.delete(event.pointerId);
    if (touches.size < 2) isPinching = false;
    if (panning?.id === event.pointerId) {
      panning = null;
      stage.classList.remove("panning");
    }
    if (drawing !== event.pointerId) return;
    drawing = null;
    if (event.type === "pointercancel") handlers.drop();
    else handlers.finish();
  };
  stage.addEventListener("pointerup", end);
  stage.addEventListener("pointercancel", end);
  stage.addEventListener("pointerleave", () => handlers.hover(null));
  stage.addEventListener("contextmenu", (event) => event.preventDefault());
  stage.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 24 : 1;
      if (event.shiftKey && !event.ctrlKey) view.pan(-event.deltaY * lines, -event.deltaX * lines);
      else view.zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0018)), ...place(event));
      handlers.hasMoved();
    },
    { passive: false },
  );
}
