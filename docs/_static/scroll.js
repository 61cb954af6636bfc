// What scrolls sideways on a narrow screen can be reached by the Tab key, and then moved with the arrow keys.
function reachable() {
  document.querySelectorAll(".bd-article figure, .bd-article .formula, .bd-article table, .bd-article pre").forEach((box) => {
    const scrolls = box.scrollWidth > box.clientWidth && ["auto", "scroll"].includes(getComputedStyle(box).overflowX);
    if (scrolls) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  });
}
window.addEventListener("load", reachable);
window.addEventListener("resize", reachable);
