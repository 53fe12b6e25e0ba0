/* Labelling as people see it: the way home, and words for an empty queue that are true. */
(function () {
  var home = document.currentScript.dataset.home;
  var words = JSON.parse(document.currentScript.dataset.words);
  try {
    // Label Studio speaks English; what is ours speaks as the door was told to.
    words = Object.assign(words, JSON.parse(localStorage.getItem("vernacular:words")));
  } catch (error) { /* none were kept */ }
  function link() {
    var way = document.createElement("a");
    way.className = "vernacular-home";
    way.href = home;
    way.textContent = words.back;
    if (words.lang) way.lang = words.lang;
    return way;
  }
  function tell() {
    // Label Studio draws its page anew and takes the link along.
    if (home && !document.querySelector(".vernacular-home")) document.body.appendChild(link());
    document.querySelectorAll(".ant-result-title").forEach(function (title) {
      if (title.textContent !== "No More Tasks Left in Queue") return;
      title.textContent = words.later;
      var told = title.closest(".lsf-editor, body").querySelector(".lsf-sub__result");
      if (told) told.textContent = words.held;
      [title, told].forEach(function (one) { if (one && words.lang) { one.lang = words.lang; one.dir = words.dir; } });
    });
  }
  document.addEventListener("DOMContentLoaded", function () {
    new MutationObserver(tell).observe(document.body, { childList: true, subtree: true });
    tell();
  });
})();
