// A result's lines come from prose: no code, and each formula once, not as text, as markup and as source.
if (typeof Search !== "undefined") {
  const plain = Search.htmlToText;
  Search.htmlToText = (page, anchor) => {
    const whole = new DOMParser().parseFromString(page, "text/html");
    whole.querySelectorAll("pre, svg, .katex-mathml, .exercise-command, .visually-hidden").forEach((part) => part.remove());
    return plain(whole.documentElement.outerHTML, anchor);
  };
}
