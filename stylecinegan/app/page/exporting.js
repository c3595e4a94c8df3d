// The dialog in which the video is made.

import * as server from "./server.js";

const $ = (id) => document.getElementById(id);

export function setUpExport(app) {
  const dialog = $("video");
  let isRunning = false;
  let rendered = null; // the session whose video is made

  const settings = () => ({
    format: dialog.querySelector("input[name=format]:checked").value,
    num_frames: Number($("video-frames").value),
    fps: Number($("video-fps").value),
    size: $("video-size").value ? Number($("video-size").value) : null,
  });

  const showLength = () => {
    const { num_frames, fps, format } = settings();
    const seconds = (num_frames / fps).toFixed(1);
    const advice = format === "gif" ? " A GIF of this takes much space; WebP is the better picture." : "";
    $("video-length").textContent = `The loop lasts ${seconds} seconds.${advice}`;
  };

  // The dialog may be closed meanwhile: the button that opens it tells as well.
  const tell = (share) => {
    $("export").querySelector("span").textContent = isRunning ? `${Math.floor(100 * share)} %` : "Make video";
  };

  const show = (running) => {
    isRunning = running;
    tell(0);
    $("video-start").hidden = running;
    $("video-cancel").hidden = !running;
    $("video-progress").hidden = false;
    for (const field of dialog.querySelectorAll("input, select")) field.disabled = running;
  };

  const hear = (news) => {
    if (news.type === "waiting") $("video-news").textContent = `Waiting, number ${news.position} in line…`;
    else if (news.type === "progress") {
      $("video-bar").value = news.done / news.of;
      $("video-news").textContent = `Frame ${news.done} of ${news.of}`;
      tell(news.done / news.of);
    } else if (news.type === "video") {
      const size = news.bytes < 1e6 ? `${Math.ceil(news.bytes / 1e3)} kB` : `${(news.bytes / 1e6).toFixed(1)} MB`;
      $("video-bar").value = 1;
      $("video-news").textContent = `Done: ${news.width} × ${news.height}, ${size}`;
      const save = $("video-save");
      save.href = server.videoAddress(rendered.id);
      save.download = `${rendered.name}.${settings().format}`;
      save.hidden = false;
      save.focus();
    } else if (news.type === "error") $("video-news").textContent = news.message;
    else if (news.type === "cancelled") $("video-news").textContent = "Cancelled.";
  };

  $("export").addEventListener("click", () => {
    const { width, height } = app.session;
    const own = Math.max(width, height);
    const most = app.session.limits.render_side;
    const chosen = $("video-size").value;
    const sides = [3840, 2560, 1920, 1280, 720, 480].filter((side) => side < own && side <= most);
    $("video-size").replaceChildren(
      ...(own <= most ? [new Option(`${own}, as the photo`, "")] : []),
      ...sides.map((side) => new Option(String(side), String(side))),
    );
    const isOffered = [...$("video-size").options].some((option) => option.value === chosen);
    if (isOffered && chosen) $("video-size").value = chosen;
    else if (own > 2048) $("video-size").value = "1920";
    if (!isRunning) {
      $("video-progress").hidden = true;
      $("video-save").hidden = true;
      $("video-start").hidden = false;
    }
    showLength();
    dialog.showModal();
  });
  dialog.addEventListener("input", () => {
    showLength();
    if (!isRunning) $("video-save").hidden = true;
  });
  $("video-start").addEventListener("click", async () => {
    if (!dialog.querySelector("form").reportValidity()) return;
    $("video-save").hidden = true;
    $("video-bar").removeAttribute("value");
    $("video-news").textContent = "Preparing the photo at full size…";
    show(true);
    try {
      const wish = { edits: app.history.edits, video: settings() };
      await app.inSession((id) => {
        rendered = { ...app.session, id };
        return server.render(id, wish, hear);
      });
    } catch (error) {
      const advice = error.isPassing ? " The video is not finished; start it again." : "";
      $("video-news").textContent = `${error.message}${advice}`;
    }
    if (!$("video-bar").hasAttribute("value")) $("video-bar").value = 0;
    show(false);
  });
  $("video-cancel").addEventListener("click", () => {
    $("video-news").textContent = "Cancelling…";
    server.cancelRender(rendered.id).catch(() => {});
  });
  return { settings, isRunning: () => isRunning, restore: (video) => {
    const format = dialog.querySelector(`input[name=format][value=${video.format}]`);
    if (format) format.checked = true;
    $("video-frames").value = video.num_frames;
    $("video-fps").value = video.fps;
  } };
}
