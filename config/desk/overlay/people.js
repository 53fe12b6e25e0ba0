/* Labelling as people see it: the way home, and words for an empty queue that are true. */
(function () {
  var home = document.currentScript.dataset.home;
  var HELD = "There is no text for you just now. Others may be at the last ones: what they leave " +
    "comes back within half an hour. All that you have answered is kept.";
  function link() {
    var way = document.createElement("a");
    way.className = "vernacular-home";
    way.href = home;
    way.textContent = "Back to my page";
    return way;
  }
  function tell() {
    // Label Studio draws its page anew and takes the link along.
    if (home && !document.querySelector(".vernacular-home")) document.body.appendChild(link());
    document.querySelectorAll(".ant-result-title").forEach(function (title) {
      if (title.textContent !== "No More Tasks Left in Queue") return;
      title.textContent = "Come back later";
      var told = title.closest(".lsf-editor, body").querySelector(".lsf-sub__result");
      if (told) told.textContent = HELD;
    });
  }
  document.addEventListener("DOMContentLoaded", function () {
    new MutationObserver(tell).observe(document.body, { childList: true, subtree: true });
    tell();
  });
})();
